"""docs/recipes.md: its scripts work with the command driver, for each program."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from msgspec.structs import replace

from hive.client.agent import Delivery
from hive.config.loading import load
from hive.harness.command import CommandDriver
from hive.harness.driver import Done, DriverSetup, Failed, Outcome
from tests.harness.support.processes import CapturedOutput

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()

COMMON, *PARTS = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROGRAMS = ("codex", "gemini", "opencode", "aider")
RECIPES = dict(zip(PROGRAMS, PARTS, strict=True))

MESSAGE = Delivery(
    7, "bob", 'fix "it";\n$(date)', "2026-11-22T14:00:00.000Z", 1, False, "l", "agent"
)

STUB = """#!/bin/sh
echo progress >&2
case "$1" in
--message-file) cat "$2" >> note.txt; git add .; git commit -qm 'fixed it' ;;
*) cat ;;
esac
exit ${STATUS:-0}
"""
"""Stands in for the agent: it repeats its prompt, or commits it."""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A directory with a repository and the four programs."""
    repository = tmp_path / "repository"
    repository.mkdir()
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], cwd=repository, env=environment(tmp_path), check=True)
    (tmp_path / "bin").mkdir()
    for name in PROGRAMS:
        program = tmp_path / "bin" / name
        program.write_text(STUB)
        program.chmod(0o755)
    return tmp_path


def environment(machine: Path, **more: str) -> dict[str, str]:
    who = [f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
    return {
        "PATH": f"{machine}/bin:{os.environ['PATH']}",
        "REPO": str(machine / "repository"),
        "HIVE_STATE": str(machine),
        **dict.fromkeys(who, "me"),
        **more,
    }


async def run(machine: Path, name: str, message: Delivery = MESSAGE, **more: str) -> Outcome:
    script = machine / f"{name}.sh"
    await asyncio.to_thread(script.write_text, COMMON + RECIPES[name])
    await asyncio.to_thread(script.chmod, 0o755)
    setup = DriverSetup((str(script),), 30.0, machine)
    environ = environment(machine, **more)
    driver = await asyncio.to_thread(CommandDriver, setup, environ=environ, tee=CapturedOutput())
    return await driver.handle(message)


@pytest.mark.parametrize("name", ["codex", "gemini", "opencode"])
async def test_a_script_passes_the_prompt_and_returns_the_answer(machine: Path, name: str) -> None:
    prompt = f"agent bob writes, as message 7:\n\n{MESSAGE.body}"
    assert await run(machine, name) == Done(prompt)


async def test_the_answer_of_aider_is_its_commit(machine: Path) -> None:
    outcome = await run(machine, "aider")
    assert isinstance(outcome, Done)
    assert "fixed it" in str(outcome.answer)
    assert "note.txt" in str(outcome.answer)
    assert "$(date)" in (machine / "repository" / "note.txt").read_text()


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_program_that_fails_fails_the_message(machine: Path, name: str) -> None:
    outcome = await run(machine, name, STATUS="3")
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith("exited with status 3")


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_system_notice_runs_no_program(machine: Path, name: str) -> None:
    event = replace(MESSAGE, sender="system", kind="system")
    assert await run(machine, name, event, STATUS="3") == Done(None)


def test_the_configurations_on_the_page_are_valid(tmp_path):
    agent, codex = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "hive.toml").write_text(agent)
    config = load(tmp_path / "hive.toml")
    assert config.agents["coder"].run == ("/srv/agents/codex.sh",)
    assert tomllib.loads(codex)["mcp_servers"]["hive"]["args"] == ["mcp"]
    for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        assert "hive" in json.dumps(json.loads(block))
