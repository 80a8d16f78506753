"""An operator inside a container: a shell, and the agent's own conversation."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.claude_code import QUIET, needs_claude, on_terminal
from tests.support.daemons import PROGRAMS, eventually
from tests.support.messages_endpoint import PATIENCE, Endpoint, say
from tests.systemd.scenarios.hives import ContainerHive

TOML = """
[agents.alice]
run = ["sh", "-c", "cat >/dev/null; echo here"]
env = { TOKEN = "secret" }
"""

LOOP = 'trap "echo [cau""ght]; exit" INT; echo [rea""dy]; while :; do sleep 0.1; done'
"""The quotes keep what is typed from looking like what is printed."""

CLAUDE = """
[agents.alice]
driver = "claude"
network = "host"
"""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as opened:
        yield opened


def test_a_shell_runs_inside_and_returns_its_exit_status(hive: ContainerHive) -> None:
    hive.configure(TOML)
    hive.start()
    hive.until_state("alice", "running", 60)
    eventually(lambda: hive.status("alice")["connected"], within=60, what="a harness")
    argv = [PROGRAMS / "hive-c0re", "shell", "alice"]
    with on_terminal(argv, hive.root, hive.env) as (shown, process):
        shown.until_shown("#")  # the prompt of root
        shown.press(f"stty size; sh -c '{LOOP}'\r")
        shown.until_shown("40 120")
        shown.until_shown("[ready]")
        shown.press("\x03")  # reaches what runs inside, and nothing else
        shown.until_shown("[caught]")
        shown.press('echo "[$HIVE_NAME|$(pwd)|$(id -u)|$TOKEN]"\r')
        shown.until_shown("[alice|/agents/alice/state|0|]")
        shown.press("systemctl is-active hive-agent.service; exit 7\r")
        shown.until_shown("active")
        assert process.wait(PATIENCE) == 7
    assert "secret" not in shown.shown
    [event] = [each for each in hive.json("events") if each["event"] == "shell_opened"]
    assert event["name"] == "alice"


@pytest.mark.usefixtures("endpoint")
class TestClaude:
    """The real Claude Code inside; its model is a script on the host."""

    pytestmark = needs_claude

    def test_the_conversation_is_opened_inside(
        self, hive: ContainerHive, endpoint: Endpoint
    ) -> None:
        home = hive.state_dir / "agents" / "alice" / "state" / "home"
        known = {
            "hasCompletedOnboarding": True,
            "customApiKeyResponses": {"approved": ["test-key"], "rejected": []},
            "projects": {"/agents/alice/state": {"hasTrustDialogAccepted": True}},
        }
        env = {**endpoint.environment("/agents/alice/state/home"), **QUIET}
        written = ", ".join(f"{key} = {json.dumps(value)}" for key, value in env.items())
        hive.configure(f"{CLAUDE}env = {{ {written} }}\n")
        hive.start()
        hive.until_state("alice", "running", 60)
        write_inside(home / ".claude.json", known)
        endpoint.script(say("the word is walrus"), agent="alice")
        hive.ok("send", "alice", "remember the word walrus")
        eventually(lambda: hive.json("turns", "alice"), within=PATIENCE, what="a turn")
        argv = [PROGRAMS / "hive-c0re", "attach", "alice"]
        with on_terminal(argv, hive.root, hive.env) as (shown, process):
            shown.until_shown("the word is walrus")
            endpoint.script(say("two words: walrus and heron"), agent="alice")
            shown.press("and the word heron")
            shown.until_shown("and the word heron")
            shown.press("\r")
            assert "remember the word walrus" in endpoint.nth(2, "alice").text
            held = hive.ok("send", "alice", "what do you know?").strip()
            shown.until_shown("two words: walrus and heron")
            assert hive.json("trace", held)["message"]["state"] == "stored"
            process.kill()
        eventually(lambda: hive.json("trace", held)["message"]["state"] == "acked", within=60)
        assert "two words: walrus and heron" in endpoint.nth(3, "alice").text


def write_inside(path: Path, content: object) -> None:
    """Write a file of an agent, with the owner of its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    for each in (path, path.parent):
        owner = path.parents[1].stat()
        os.chown(each, owner.st_uid, owner.st_gid)
