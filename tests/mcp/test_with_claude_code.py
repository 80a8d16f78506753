"""A user's own Claude Code as a peer, as docs/peers.md sets it up; its model is scripted."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hive.harness.mcp.server import CHANNEL_INSTRUCTIONS
from tests.mcp.damocles import Damocles, ack_the_newest
from tests.support.claude_code import needs_claude, terminal
from tests.support.messages_endpoint import hive, say

pytestmark = needs_claude

PAGE = Path(__file__).parents[2] / "docs" / "peers.md"

[HOOKS] = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
"""The settings on the page."""


def test_a_session_of_damocles_exchanges_messages_with_hm1nd(damocles: Damocles) -> None:
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


def test_the_model_gets_the_reason_of_a_refused_tool_call(damocles: Damocles) -> None:
    damocles.claude("mcp", "add", "hive", "--", "hive-ag3nt", "mcp")
    damocles.endpoint.script(hive("send", to="hm2nd", body="hello"), say("no such name"))
    damocles.prompt("write to hm2nd")
    assert "hm1nd" in damocles.endpoint.nth(2).last


def test_hooks_report_mail_at_the_prompt_and_take_none(damocles: Damocles) -> None:
    damocles.set_hooks(HOOKS)
    damocles.hive.ok("send", "damocles", "look at the build")
    damocles.prompt("good morning")
    [asked] = damocles.endpoint.requests
    assert '"look at the build"' in asked.text
    assert "from operator (operator)" in asked.text
    assert damocles.hive.status("damocles")["unread"] == 1


def test_the_model_continues_with_mail_at_the_end_of_a_turn_if_configured(
    damocles: Damocles,
) -> None:
    hook = {"type": "command", "command": "hive-ag3nt hook --at-stop continue"}
    damocles.set_hooks(json.dumps({"hooks": {"Stop": [{"hooks": [hook]}]}}))
    damocles.endpoint.script(say("ready"), say("I have seen it."))
    damocles.hive.ok("send", "damocles", "look at the build")
    assert damocles.prompt("good morning").strip() == "I have seen it."
    first, second = damocles.endpoint.requests
    assert "look at the build" not in first.text
    assert '"look at the build"' in second.last


def test_an_unreachable_hive_does_not_affect_the_session(damocles: Damocles) -> None:
    damocles.set_hooks(HOOKS)
    damocles.hive.kill()
    damocles.endpoint.script(say("hello"))
    assert damocles.prompt("good morning").strip() == "hello"
    [asked] = damocles.endpoint.requests
    assert "hive-c0re" not in asked.text


# Its channel

FLAG = "tengu_harbor"
"""Flag for channels in Claude Code. Its own servers send it, and Claude Code caches it."""

CACHED_FLAGS_APPLY = {"CLAUDE_CODE_GB_DISK_CACHE_WHEN_TELEMETRY_OFF": "1"}
"""Makes Claude Code use its cached flags when it may not query its servers."""

CONFIRM = "I am using this for local development"

OPTIONS = (
    *("--dangerously-load-development-channels", "server:hive"),
    *("--permission-mode", "default", "--allowedTools=mcp__hive__recv,mcp__hive__ack"),
)


def complete_onboarding(damocles: Damocles) -> None:
    """Write the state of a user who has used Claude Code here, with an account with channels."""
    file = damocles.home / ".claude.json"
    known = json.loads(file.read_text())
    known["hasCompletedOnboarding"] = True
    known["customApiKeyResponses"] = {"approved": ["test-key"], "rejected": []}
    known["cachedGrowthBookFeatures"] = {FLAG: True}
    known["projects"][str(damocles.home)]["hasTrustDialogAccepted"] = True
    file.write_text(json.dumps(known))


def test_mail_is_announced_in_an_interactive_session_which_then_takes_it(
    damocles: Damocles,
) -> None:
    damocles.claude("mcp", "add", "hive", "--", "hive-ag3nt", "mcp", "--channel")
    complete_onboarding(damocles)
    damocles.endpoint.script(hive("recv"), ack_the_newest, say("I shall look at it."))
    damocles.hive.ok("send", "damocles", "look at the build")
    with terminal(damocles.home, {**damocles.env, **CACHED_FLAGS_APPLY}, *OPTIONS) as session:
        session.until_shown(CONFIRM)
        session.press("\r")
        announced, received, _ = (damocles.endpoint.nth(number) for number in (1, 2, 3))
        session.until_shown("hive: 1 message waits in your hive inbox, from operator.")
        session.until_shown("I shall look at it.")
    line = "1 message waits in your hive inbox, from operator."
    assert f'<channel source="hive" count="1">\n{line}' in announced.last
    assert "mcp__hive__recv" in announced.tools, "the model can do what the line says"
    assert CHANNEL_INSTRUCTIONS.partition(":")[0] in json.dumps(received.body)
    assert "look at the build" not in announced.last
    assert '"body": "look at the build"' in received.last
    assert damocles.hive.status("damocles")["unread"] == 0
