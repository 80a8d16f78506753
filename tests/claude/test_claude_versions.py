"""A Claude Code that would interpret messages is not used, and the operator is told why."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from hive.errors import ConfigError
from hive.harness.claude import claude_code
from hive.harness.claude.claude_code import require_version
from tests.support.claude_code import claude_program
from tests.support.daemons import HiveOnDisk

PROJECT = Path(__file__).resolve().parents[2]

needs_sdk = pytest.mark.skipif(
    find_spec("claude_agent_sdk") is None, reason="the extra hyperhive[claude] is not installed"
)


def claude(directory: Path, prints: str) -> Path:
    """Return a program that prints what a version of Claude Code prints."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "claude"
    path.write_text(f"#!/bin/sh\n{prints}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["2.1.150", "2.1.247", "1.99.999", "2.0.300"])
async def test_a_version_that_reads_the_files_that_messages_name_is_refused(
    version: str, tmp_path: Path
) -> None:
    old = claude(tmp_path, f"echo '{version} (Claude Code)'")
    with pytest.raises(ConfigError) as refused:
        await require_version(old)
    assert str(refused.value) == (
        f"Claude Code {version} reads the files that messages name (@/a/file): install 2.1.248 or "
        f"newer, or a newer claude-agent-sdk, in place of {old}"
    )


@pytest.mark.parametrize(
    "prints",
    [
        *("echo '2.1.248 (Claude Code)'", "echo 2.2.0", "echo 3.0.0"),
        *("echo wrapped", "exit 1", "sleep 60", "exec yes 'a long line without a version'"),
    ],
)
async def test_any_other_is_left_to_whoever_starts_it(
    prints: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claude_code, "VERSION_SECONDS", 0.5)
    await require_version(claude(tmp_path, prints))
    await require_version(tmp_path / "missing")


@needs_sdk
async def test_the_program_of_the_newest_sdk_is_new_enough() -> None:
    await require_version(claude_program())


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[HiveOnDisk]:
    made = HiveOnDisk(tmp_path)
    yield made
    made.close()


@needs_sdk
def test_an_agent_with_an_older_one_fails_and_says_what_to_install(
    hive: HiveOnDisk, tmp_path: Path
) -> None:
    spec = find_spec("claude_agent_sdk")
    assert spec is not None
    assert spec.origin is not None
    # The SDK without a program of its own, as distributions package it.
    package = tmp_path / "lib" / "claude_agent_sdk"
    package.mkdir(parents=True)
    for path in Path(spec.origin).parent.iterdir():
        if path.name != "_bundled":
            (package / path.name).symlink_to(path)
    old = claude(tmp_path / "bin", "echo '2.1.150 (Claude Code)'")
    hive.configure(
        f"""
        [agents.alice]
        driver = "claude"
        restart = {{ max_restarts = 1, base = 0.01 }}
        env = {{ PYTHONPATH = "{package.parent}:{PROJECT}", PATH = "{old.parent}:/usr/bin:/bin" }}
        """
    )
    hive.start()
    hive.until_state("alice", "failed")
    told = hive.ok("why", "alice")
    assert "Claude Code 2.1.150 reads the files that messages name" in told
    assert "install 2.1.248 or newer, or a newer claude-agent-sdk" in told
    assert "Traceback" not in told + hive.ok("logs", "alice")
