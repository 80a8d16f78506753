"""The example swarm works: each of its agents answers in its own way."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.daemons import HiveOnDisk

SWARM = Path(__file__).parents[2] / "examples" / "swarm"


@pytest.fixture
def swarm(hive: HiveOnDisk, tmp_path: Path) -> HiveOnDisk:
    """The example with its own repository and test command."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "the first commit"]):
        subprocess.run([*git, *words], check=True)
    hive.env["REPOSITORY"] = str(repository)
    hive.env["TEST_COMMAND"] = "sh -c 'echo 3 passed; exit ${1:-0}' sh"
    hive.config = Path(shutil.copytree(SWARM, tmp_path / "swarm")) / "hive.toml"
    hive.start()
    for name in ("hm1nd", "alice", "bob"):
        hive.until_state(name, "running")
    return hive


def ask(hive: HiveOnDisk, name: str, body: str) -> str:
    return hive.ok("send", name, body, "--wait", "20")


def test_alice_answers_from_git_and_only_reads(swarm: HiveOnDisk) -> None:
    assert "the first commit" in ask(swarm, "alice", "log -1 --format=%s")
    assert "I answer with git" in ask(swarm, "alice", "push")
    assert "I only read" in ask(swarm, "alice", "log --output=/tmp/x")
    assert "I only read" in ask(swarm, "alice", "branch evil")


def test_bob_runs_a_test_command_and_reports(swarm: HiveOnDisk) -> None:
    assert "PASSED" in ask(swarm, "bob", "test")
    failed = ask(swarm, "bob", "test 3")
    assert "FAILED (exit status 3)" in failed
    assert "3 passed" in failed


def test_the_manager_passes_requests_on_and_answers_back(swarm: HiveOnDisk) -> None:
    answer = ask(swarm, "manager", "git log -1 --format=%s")
    assert "alice says:" in answer
    assert "the first commit" in answer
    assert "damocles" in ask(swarm, "hm1nd", "who")
