"""A user's own Claude Code as a peer, as docs/peers.md sets it up; its model is scripted."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from attrs import define

from tests.support.daemons import PROGRAMS, HiveOnDisk
from tests.support.messages_endpoint import Asked, Endpoint, Reply, hive, say

pytestmark = pytest.mark.skipif(
    find_spec("claude_agent_sdk") is None, reason="the extra hyperhive[claude] is not installed"
)

PAGE = Path(__file__).parents[2] / "docs" / "peers.md"

[HOOKS] = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
"""The settings that the page shows."""

SWARM = """
[manager]
run = ["sh", "-c", "cat >/dev/null; echo half way"]
[peers.damocles]
"""


def claude_program() -> Path:
    spec = find_spec("claude_agent_sdk")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("_bundled") / "claude"


@define(eq=False)
class Damocles:
    """A home with Claude Code in it, beside a hive."""

    hive: HiveOnDisk
    endpoint: Endpoint
    home: Path

    def claude(self, *arguments: str) -> str:
        """Run the user's program in its home and return what it prints."""
        done = subprocess.run(
            [claude_program(), *arguments],
            cwd=self.home,
            env={
                **self.hive.env,
                **self.endpoint.environment(str(self.home)),
                "DISABLE_AUTOUPDATER": "1",
                "ENABLE_TOOL_SEARCH": "false",
                "HIVE_SOCKET": str(self.hive.socket_of("damocles")),
                "HIVE_STATE": str(self.home / "state"),
                "IS_SANDBOX": "1",
                "PATH": f"{PROGRAMS}:/usr/bin:/bin",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=55,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def prompt(self, text: str) -> str:
        return self.claude("--print", "--dangerously-skip-permissions", text)

    def set_hooks(self, settings: str) -> None:
        """Write the user's settings."""
        (self.home / ".claude").mkdir(exist_ok=True)
        (self.home / ".claude" / "settings.json").write_text(settings)


@pytest.fixture
def damocles(tmp_path: Path) -> Iterator[Damocles]:
    made = HiveOnDisk(tmp_path)
    made.configure(SWARM)
    home = tmp_path / "home"
    home.mkdir()
    with Endpoint() as endpoint:
        made.start()
        yield Damocles(made, endpoint, home)
        made.close()


def ack_the_newest(asked: Asked) -> Reply:
    [*_, number] = re.findall(r'"id": (\d+)', asked.last)
    return hive("ack", ids=[int(number)])


def test_from_inside_damocles_one_asks_hm1nd_something(damocles: Damocles) -> None:
    damocles.claude("mcp", "add", "hive", "--", "hive-ag3nt", "mcp")
    damocles.endpoint.script(
        hive("send", to="hm1nd", body="how far are you?"),
        hive("recv", wait_seconds=40),
        ack_the_newest,
        say("hm1nd is half way."),
    )
    assert damocles.prompt("ask hm1nd how far it is").strip() == "hm1nd is half way."
    _, _, third, last = damocles.endpoint.requests
    offered = {name.removeprefix("mcp__hive__") for name in third.tools if "hive" in name}
    assert {"send", "recv", "reply", "ack", "ask", "who"} < offered
    assert '"from": "hm1nd"' in third.last
    assert '"body": "half way"' in third.last
    assert '"acked"' in last.last
    assert damocles.hive.status("damocles")["unread"] == 0


def test_a_tool_that_is_refused_says_why_to_the_model(damocles: Damocles) -> None:
    damocles.claude("mcp", "add", "hive", "--", "hive-ag3nt", "mcp")
    damocles.endpoint.script(hive("send", to="hm2nd", body="hello"), say("no such name"))
    damocles.prompt("write to hm2nd")
    assert "hm1nd" in damocles.endpoint.nth(2).last


def test_hooks_tell_of_mail_at_the_prompt_and_leave_it_there(damocles: Damocles) -> None:
    damocles.set_hooks(HOOKS)
    damocles.hive.ok("send", "damocles", "look at the build")
    damocles.prompt("good morning")
    [asked] = damocles.endpoint.requests
    assert '"look at the build"' in asked.text
    assert "from operator (operator)" in asked.text
    assert damocles.hive.status("damocles")["unread"] == 1


def test_mail_at_the_end_of_a_turn_is_read_on_if_the_user_wants_it(damocles: Damocles) -> None:
    hook = {"type": "command", "command": "hive-ag3nt hook --at-stop continue"}
    damocles.set_hooks(json.dumps({"hooks": {"Stop": [{"hooks": [hook]}]}}))
    damocles.endpoint.script(say("ready"), say("I have seen it."))
    damocles.hive.ok("send", "damocles", "look at the build")
    assert damocles.prompt("good morning").strip() == "I have seen it."
    first, second = damocles.endpoint.requests
    assert "look at the build" not in first.text
    assert '"look at the build"' in second.last


def test_a_hive_that_is_away_does_not_disturb_the_session(damocles: Damocles) -> None:
    damocles.set_hooks(HOOKS)
    damocles.hive.kill()
    damocles.endpoint.script(say("hello"))
    assert damocles.prompt("good morning").strip() == "hello"
    [asked] = damocles.endpoint.requests
    assert "hive-c0re" not in asked.text
