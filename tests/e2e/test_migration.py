"""The commands of docs/migrating-damocles.md, run as written, with mail on the way."""

from __future__ import annotations

import os
import re
import shlex
import signal
from pathlib import Path

import pytest

from tests.support.daemons import HiveOnDisk, eventually

PAGE = (Path(__file__).parents[2] / "docs" / "migrating-damocles.md").read_text()

COMMANDS = [
    line.removeprefix("$ hive-c0re ")
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ hive-c0re ")
]

[MANIFEST] = re.findall(r"```toml\n(# agent\.toml\n.*?)```", PAGE, re.DOTALL)

ANSWERING = 'run = ["sh", "-c", "cat >/dev/null; echo here"]'
"""In the place of Claude Code, which a test cannot log in."""


def run(hive: HiveOnDisk, beginning: str) -> str:
    """Run the next command of the page, which begins so; return what it printed."""
    command = COMMANDS.pop(0)
    assert command.startswith(beginning)
    words = [
        str(hive.root / word) if word == "agent.toml" else word for word in shlex.split(command)
    ]
    return hive.ok(*words)


def answered(hive: HiveOnDisk, times: int) -> None:
    """Wait until damocles has answered so often."""

    def found() -> bool:
        answers = [each for each in hive.json("inbox", "operator") if each["body"] == "here"]
        return len(answers) == times

    eventually(found, what=f"{times} answers")


def restart(hive: HiveOnDisk) -> None:
    """Kill the daemon and start the next one, as after each step of the page."""
    hive.kill()
    hive.start()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("killed", [False, True], ids=["in one go", "killed after each step"])
def test_the_page_as_written(
    hive: HiveOnDisk, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.COMMANDS", list(COMMANDS))
    (hive.root / "agent.toml").write_text(MANIFEST.replace('driver = "claude"', ANSWERING))
    hive.start()

    def next_daemon() -> None:
        if killed:
            restart(hive)

    run(hive, "register-peer")
    run(hive, "send damocles")
    run(hive, "status")
    assert hive.status("damocles")["kind"] == "peer"
    next_daemon()

    assert "/persist/damocles-ssh" in run(hive, "adopt")
    run(hive, "adopt")
    assert hive.status("damocles")["kind"] == "peer"
    next_daemon()
    assert "adopt" in run(hive, "pending")
    run(hive, "approve")
    pid = hive.until_state("damocles", "running")["pid"]
    answered(hive, 1)
    next_daemon()
    hive.until_state("damocles", "running")

    run(hive, "release")
    next_daemon()
    os.kill(pid, 0)  # it runs on
    hive.until_state("damocles", "connected")
    hive.ok("send", "damocles", "and now?")
    answered(hive, 2)
    os.killpg(pid, signal.SIGTERM)
    hive.until_state("damocles", "away")

    run(hive, "inbox")
    run(hive, "unregister-peer")
    assert COMMANDS == []
    assert "damocles" not in hive.ok("list")
    verbs = [entry["verb"] for entry in hive.json("audit", "damocles")]
    moved = ["submit", "approve", "adopt", "carry_out", "release"]
    assert verbs == ["register_peer", *moved, "unregister_peer"]
