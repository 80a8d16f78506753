"""Failures of the real Claude Code: killed, limited, overloaded, too full, hung, logged out."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest

from hive.clock import rfc3339
from tests.claude.swarm import Swarm
from tests.support.claude_code import needs_claude
from tests.support.daemons import eventually
from tests.support.messages_endpoint import PATIENCE, error, hive, say, too_long

pytestmark = needs_claude


def kill_claude(swarm: Swarm) -> None:
    os.kill(swarm.claude_pid("alice"), signal.SIGKILL)


def kill_harness(swarm: Swarm) -> None:
    os.killpg(swarm.status("alice")["pid"], signal.SIGKILL)


def restart_daemon(swarm: Swarm) -> None:
    swarm.hive.kill()
    swarm.hive.start()


@pytest.mark.parametrize("kill", [kill_claude, kill_harness])
def test_mail_of_a_killed_turn_is_redelivered_in_the_same_conversation(swarm: Swarm, kill) -> None:
    swarm.configure("alice")
    swarm.start()
    never = threading.Event()
    swarm.endpoint.script(say("noted"), say("too late", held=never), say("done now"), agent="alice")
    swarm.send("alice", "remember blue")
    swarm.until_turns("alice", 1)
    asked = swarm.send("alice", "long work")
    swarm.endpoint.nth(2, "alice")
    assert swarm.message(asked)["state"] == "leased"
    kill(swarm)
    again = swarm.endpoint.nth(3, "alice")
    assert "attempt: 2\nredelivered: true" in again.last
    assert "remember blue" in again.text, "the conversation goes on"
    assert again.tools == swarm.endpoint.nth(1, "alice").tools
    if kill is kill_harness:
        assert "You were restarted" in again.last
    assert swarm.until_message(asked, "acked")["attempt"] == 2
    never.set()


def test_a_turn_goes_on_while_the_daemon_is_killed_and_is_not_repeated(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    held = threading.Event()
    swarm.endpoint.script(hive("send", to="operator", body="result", held=held), agent="alice")
    asked = swarm.send("alice", "long work")
    swarm.endpoint.nth(1, "alice")
    restart_daemon(swarm)
    assert swarm.message(asked)["state"] != "acked"
    held.set()
    swarm.until_message(asked, "acked")
    swarm.until_turns("alice", 1)
    assert swarm.until_operator_mail() == ["result"]
    assert len(swarm.endpoint.of("alice")) == 2, "nothing was asked twice"


def limit(resets_at: float):
    return error(
        429,
        "rate_limit_error",
        "This request would exceed your account's rate limit.",
        anthropic_ratelimit_unified_status="rejected",
        anthropic_ratelimit_unified_reset=str(int(resets_at)),
        anthropic_ratelimit_unified_representative_claim="five_hour",
        retry_after="3600",
    )


def test_a_usage_limit_holds_off_all_agents_of_the_account(swarm: Swarm) -> None:
    login = {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-shared"}
    swarm.configure("alice", "bob", **login)
    swarm.start()
    resets = time.time() + 3600
    swarm.endpoint.script(limit(resets), agent="alice")
    asked = swarm.send("alice", "work")
    row = swarm.until_activity("alice", "limited")
    swarm.until_activity("bob", "limited")
    swarm.send("bob", "work, too")
    [held] = swarm.ask("limits")["limits"]
    assert held["until"] == rfc3339(int(resets))
    assert swarm.endpoint.of("bob") == [], "bob does not try"
    back = swarm.until_message(asked, "stored")
    assert back["attempt"] == 0, f"no attempt is counted: {row}"
    swarm.ask("clear_limit", account=held["account"])
    soon = rfc3339(time.time() + 60)
    for name in ("alice", "bob"):
        eventually(
            lambda name=name: _until(swarm, name) < soon,
            within=PATIENCE,
            what=f"{name}'s turn within 60 s",
        )


def _until(swarm: Swarm, name: str) -> str:
    """Return until when an agent holds off; nothing once it does not."""
    return swarm.status(name).get("activity_until") or ""


def test_text_about_limits_is_no_limit(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    swarm.endpoint.script(
        say("API Error: 429 rate_limit_error, usage limit reached"), agent="alice"
    )
    asked = swarm.send("alice", "what did the log say? 529 overloaded?")
    swarm.until_message(asked, "acked")
    swarm.until_activity("alice", "idle")
    assert swarm.ask("limits")["limits"] == []


def test_an_overloaded_service_is_asked_again_later(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    swarm.endpoint.script(error(529, "overloaded_error", "Overloaded"), agent="alice")
    asked = swarm.send("alice", "work")
    row = swarm.until_activity("alice", "waiting")
    assert "Overloaded" in row["activity_about"]
    swarm.until_message(asked, "acked")
    first, second = swarm.until_turns("alice", 2)
    assert (first["outcome"], second["outcome"]) == ("deferred", "done")
    assert swarm.message(asked)["attempt"] == 1


def test_a_conversation_that_does_not_fit_is_compacted_once_and_asked_again(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    swarm.endpoint.script(
        say("noted"),
        say("noted again"),
        too_long(),
        say("<summary>blue was to be remembered</summary>"),
        say("it fits now"),
        agent="alice",
    )
    for number in (1, 2):
        swarm.send("alice", "remember blue " + "x" * 500)
        swarm.until_turns("alice", number)
    asked = swarm.send("alice", "and now?")
    swarm.until_message(asked, "acked")
    assert len(swarm.endpoint.of("alice")) == 5
    last = swarm.endpoint.nth(5, "alice")
    assert "blue was to be remembered" in last.text
    assert last.text.count("and now?") >= 1
    assert swarm.until_turns("alice", 3)[-1]["outcome"] == "done"


def test_a_conversation_that_is_nearly_full_is_compacted_after_notes(swarm: Swarm) -> None:
    swarm.configure("alice", claude="compact_at = 0.5")
    swarm.start()
    swarm.endpoint.script(
        say("noted", tokens=600_000),
        say("NOTES.md is written", tokens=600_000),
        say("<summary>all of it</summary>"),
        agent="alice",
    )
    swarm.send("alice", "read a lot")
    mail, rest = swarm.until_turns("alice", 2)
    assert (mail["wake"], mail["outcome"]) == ("operator", "done")
    assert (rest["wake"], rest["outcome"], rest["messages"]) == ("compaction", "done", [])
    assert "60 % of 1000000 tokens" in swarm.endpoint.nth(2, "alice").last
    swarm.send("alice", "go on")
    assert "all of it" in swarm.endpoint.nth(4, "alice").text


def test_a_hanging_turn_is_cancelled(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    never = threading.Event()
    swarm.endpoint.script(say("never", held=never), agent="alice")
    asked = swarm.send("alice", "hang")
    swarm.endpoint.nth(1, "alice")
    swarm.ask("cancel_turn", name="alice")
    dead = swarm.until_message(asked, "dead")
    assert "cancelled" in dead["reason"]
    [turn] = swarm.until_turns("alice", 1)
    assert turn["outcome"] == "cancelled"
    after = swarm.send("alice", "and now?")
    swarm.until_message(after, "acked")
    never.set()


def test_a_new_session_begins_without_the_earlier_conversation(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    swarm.send("alice", "remember blue")
    swarm.until_turns("alice", 1)
    swarm.ask("new_session", name="alice")
    swarm.send("alice", "which colour?")
    asked = swarm.endpoint.nth(2, "alice")
    assert "remember blue" not in asked.text
    assert "new conversation" in asked.last


def test_a_chosen_model_goes_on_with_the_conversation(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    swarm.send("alice", "remember blue")
    swarm.until_turns("alice", 1)
    swarm.ask("choose_model", name="alice", model="claude-haiku-4-5", effort="low")
    swarm.send("alice", "which colour?")
    asked = swarm.endpoint.nth(2, "alice")
    assert asked.body["model"].startswith("claude-haiku-4-5")
    assert "remember blue" in asked.text
    eventually(lambda: swarm.status("alice").get("active_effort") == "low", what="its effort")


def test_a_chosen_model_outlives_a_restart_before_the_next_turn(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    eventually(lambda: swarm.status("alice")["connected"], what="a connected harness")
    swarm.hive.ok("model", "alice", "claude-haiku-4-5", "--effort", "low")
    eventually(lambda: swarm.status("alice").get("chosen_effort") == "low", what="the choice")
    kill_harness(swarm)
    swarm.send("alice", "which model are you?")
    assert swarm.endpoint.nth(1, "alice").body["model"].startswith("claude-haiku-4-5")
    swarm.until_turns("alice", 1)
    shown = swarm.hive.json("model", "alice")
    assert (shown["model"], shown["model_source"]) == ("claude-haiku-4-5", "operator")
    assert (shown["active_effort"], shown["effort_source"]) == ("low", "operator")


def test_a_model_that_does_not_exist_fails_the_turn_until_the_choice_is_taken_back(
    swarm: Swarm,
) -> None:
    swarm.configure("alice")
    swarm.start()
    unknown = error(404, "not_found_error", "model: opsu")
    swarm.endpoint.script(unknown, unknown, agent="alice")
    eventually(lambda: swarm.status("alice")["connected"], what="a connected harness")
    swarm.hive.ok("model", "alice", "opsu")
    asked = swarm.send("alice", "work")
    turn, *_ = swarm.until_turns("alice", 1)
    assert turn["outcome"] == "failed"
    assert "selected model (opsu)" in turn["note"]
    swarm.hive.ok("model", "alice", "default")
    swarm.until_message(asked, "acked")
    assert not swarm.endpoint.of("alice")[-1].body["model"].startswith("opsu")


def test_a_missing_login_parks_the_agent_until_there_is_one(swarm: Swarm) -> None:
    swarm.configure("alice", ANTHROPIC_API_KEY="")
    swarm.start()
    asked = swarm.send("alice", "work")
    row = swarm.until_activity("alice", "needs_login")
    assert row["needs_login"] is True
    [notice] = swarm.until_operator_mail()
    assert "log in where alice runs: HOME=" in json.loads(notice)["about"]
    assert swarm.until_message(asked, "stored")["attempt"] == 0
    assert swarm.endpoint.requests == []
    home = swarm.root / "homes" / "alice" / ".claude"
    home.mkdir(exist_ok=True)
    (home / ".credentials.json").write_text(LOGIN)
    swarm.until_message(asked, "acked")
    eventually(lambda: not swarm.status("alice")["needs_login"], what="the login seen")


LOGIN = """
{"claudeAiOauth": {"accessToken": "sk-ant-oat01-x", "refreshToken": "sk-ant-ort01-x",
"expiresAt": 4102444800000, "scopes": ["user:inference", "user:profile"],
"subscriptionType": "max"}}
"""


def test_a_budget_ends_the_turn_and_the_day(swarm: Swarm) -> None:
    swarm.configure("alice", claude="day_budget = 1.0")
    swarm.start()
    swarm.endpoint.script(
        hive("whoami"), say("dear", tokens=600_000), say("not asked"), agent="alice"
    )
    swarm.send("alice", "spend")
    [turn] = swarm.until_turns("alice", 1)
    assert turn["cost_usd"] > 1.0
    asked = swarm.send("alice", "more")
    row = swarm.until_activity("alice", "limited")
    assert "day_budget" in row["activity_about"]
    assert swarm.until_message(asked, "stored")["attempt"] == 0
    assert len(swarm.endpoint.of("alice")) == 2
    assert swarm.ask("limits")["limits"] == [], "it is the agent's own limit"
