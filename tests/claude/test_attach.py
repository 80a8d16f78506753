"""An operator goes on with the conversation of an agent that is the real Claude Code."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hive.wire.claude import settings_of
from tests.claude.swarm import Swarm
from tests.support.claude_code import QUIET, Terminal, needs_claude, on_terminal
from tests.support.daemons import PROGRAMS, eventually
from tests.support.messages_endpoint import say

pytestmark = needs_claude


@pytest.fixture
def alice(swarm: Swarm) -> Swarm:
    """A hive whose alice has had a turn, in a home whose person has used Claude Code before."""
    swarm.configure("alice", **QUIET)
    home = swarm.root / "homes" / "alice"
    directory = swarm.hive.state_dir / "agents" / "alice" / "state"
    known = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": ["test-key"], "rejected": []},
        "projects": {str(directory): {"hasTrustDialogAccepted": True}},
    }
    (home / ".claude.json").write_text(json.dumps(known))
    swarm.start()
    swarm.endpoint.script(say("the word is walrus"), agent="alice")
    swarm.send("alice", "remember the word walrus")
    swarm.until_turns("alice", 1)
    return swarm


@contextmanager
def attached(swarm: Swarm) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """Run `hive-c0re attach alice` on a terminal."""
    argv: list[str | Path] = [PROGRAMS / "hive-c0re", "attach", "alice"]
    with on_terminal(argv, swarm.root, swarm.hive.env) as found:
        yield found


def say_it(shown: Terminal, text: str) -> None:
    """Type a prompt and send it."""
    shown.press(text)
    shown.until_shown(text)
    shown.press("\r")


def test_the_operator_goes_on_with_the_conversation_and_the_agent_after_them(alice: Swarm) -> None:
    session = alice.status("alice")["session"]
    with attached(alice) as (shown, process):
        shown.until_shown("the word is walrus")
        assert alice.status("alice")["activity"] == "paused"
        held = alice.send("alice", "what do you know?")
        alice.endpoint.script(say("two words now: walrus and heron"), agent="alice")
        say_it(shown, "and the word heron")
        theirs = alice.endpoint.nth(2, "alice")
        shown.until_shown("two words now: walrus and heron")
        assert "remember the word walrus" in theirs.text, "the same conversation"
        others = {each for each in theirs.tools if not each.startswith("mcp__hive__")}
        assert others == set(settings_of(None).tools), "no more than the agent has"
        assert alice.message(held)["state"] == "stored", "its mail waits"
        assert alice.status("alice")["reason"] == "an operator is attached to its conversation"
        shown.press("\x03")
        shown.press("\x03")
        assert process.wait(60) == 0
    alice.until_message(held, "acked")
    own = alice.endpoint.nth(3, "alice")
    assert "two words now: walrus and heron" in own.text, "the agent knows what was said"
    assert "what do you know?" in own.last
    assert alice.status("alice")["session"] == session


def test_the_tools_of_the_hive_are_there(alice: Swarm) -> None:
    with attached(alice) as (shown, _):
        shown.until_shown("the word is walrus")

        def offered(number: int) -> bool:  # a session does not wait for its servers
            alice.endpoint.script(say(f"answer {number}"), agent="alice")
            say_it(shown, f"question {number}")
            return "mcp__hive__send" in alice.endpoint.nth(2 + number, "alice").tools

        assert any(map(offered, range(100)))


def test_its_mail_flows_again_when_attach_is_killed(alice: Swarm) -> None:
    with attached(alice) as (shown, process):
        shown.until_shown("the word is walrus")
        held = alice.send("alice", "what do you know?")
        process.kill()
        alice.until_message(held, "acked")
    events = [each["event"] for each in alice.ask("events")["events"]]
    assert eventually(lambda: events.count("attached") == events.count("detached") == 1)
