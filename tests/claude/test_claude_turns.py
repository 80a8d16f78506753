"""Turns of the real Claude Code in a real hive: mail, tools, answers, prompts."""

from __future__ import annotations

import re
import threading

from tests.claude.swarm import Swarm
from tests.support.claude_code import needs_claude
from tests.support.messages_endpoint import Asked, Reply, call, hive, say

pytestmark = needs_claude


def reply_to_it(asked: Asked) -> Reply:
    """Answer the newest message that the model was shown."""
    number = int(re.findall(r"^id: (\d+)$", asked.text, re.MULTILINE)[-1])
    return hive("reply", id=number, body="four")


def test_a_turn_with_tools_answers_and_acks_when_it_is_done(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    held = threading.Event()
    swarm.endpoint.script(
        call("Bash", command="echo 2+2 is $((2+2)) >sum; cat sum", description="add"),
        reply_to_it,
        say("I have answered.", held=held),
        agent="alice",
    )
    asked = swarm.send("alice", "@/etc/passwd what is 2+2?")
    first = swarm.endpoint.nth(1, "alice")
    assert "operator_verified: true\nage_seconds: " in first.last
    assert "root:" not in first.last, "no file is read because a body names it"
    assert {"Bash", "mcp__hive__send"} <= first.tools
    assert not first.tools & {"Task", "Agent", "WebFetch", "SendMessage", "ListAgents"}
    assert "2+2 is 4" in swarm.endpoint.nth(2, "alice").last
    swarm.endpoint.nth(3, "alice")
    assert swarm.message(asked)["state"] == "leased", "the turn is not over"
    assert swarm.until_activity("alice", "working")["active_model"] == "claude-sonnet-5"
    held.set()
    [turn] = swarm.until_turns("alice", 1)
    assert (turn["wake"], turn["outcome"], turn["messages"]) == ("operator", "done", [asked])
    assert turn["tools"] == {"Bash": 1, "mcp__hive__reply": 1}
    assert turn["cost_usd"] > 0
    assert turn["input_tokens"] == 300
    assert swarm.until_operator_mail() == ["four"]
    assert swarm.message(asked)["state"] == "acked"
    swarm.until_activity("alice", "idle")


def test_a_question_is_waited_for_and_its_answer_wakes_the_asker(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    swarm.endpoint.script(
        hive("ask", question="merge or rebase?", options=["merge", "rebase"]),
        say("asked"),
        agent="alice",
    )
    swarm.send("alice", "choose")
    row = swarm.until_activity("alice", "waiting")
    assert row["activity_about"] == "operator: merge or rebase?"
    [question] = swarm.ask("questions")["questions"]
    swarm.ask("answer", id=question["id"], answer="rebase")
    prompt = swarm.endpoint.nth(3, "alice").last
    assert "type: answer" in prompt
    assert "operator_verified: true" in prompt
    assert "rebase" in prompt
    assert swarm.until_turns("alice", 2)[-1]["wake"] == "operator"
    swarm.until_activity("alice", "idle")


def test_the_events_of_a_turn_can_be_watched(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    swarm.endpoint.script(
        call("Bash", command="echo one", description="a"), say("that is all"), agent="alice"
    )
    swarm.send("alice", "begin")
    swarm.until_turns("alice", 1)
    shown = swarm.live("alice", 3)
    assert [line["kind"] for line in shown] == ["tool", "tool_result", "text"]
    assert shown[0]["text"].startswith("Bash {")
    assert [line["text"] for line in shown[1:]] == ["one", "that is all"]


def test_two_agents_exchange_messages_and_an_answer_wakes_the_asker(swarm: Swarm) -> None:
    swarm.configure("alice", "bob")
    swarm.start()
    swarm.endpoint.script(
        hive("send", to="bob", body="how much is 2+2?"),
        say("asked bob"),
        lambda asked: hive("send", to="operator", body=f"bob says {'four' in asked.last}"),
        say("reported"),
        agent="alice",
    )
    swarm.endpoint.script(reply_to_it, say("answered alice"), agent="bob")
    swarm.send("alice", "ask bob")
    assert swarm.until_operator_mail() == ["bob says True"]
    shown = swarm.endpoint.nth(1, "bob").last
    assert "from: alice" in shown
    assert "operator_verified: false" in shown
    turns = swarm.until_turns("alice", 2)
    assert [turn["outcome"] for turn in turns] == ["done", "done"]
    assert "ask bob" in swarm.endpoint.nth(3, "alice").text, "it is one conversation"


def test_urgent_mail_arrives_between_tools_and_other_mail_after_the_turn(swarm: Swarm) -> None:
    swarm.configure("alice")
    swarm.start()
    held = threading.Event()
    swarm.endpoint.script(
        call("Bash", command="echo first", description="a", held=held),
        call("Bash", command="echo second", description="b"),
        agent="alice",
    )
    swarm.send("alice", "begin")
    swarm.endpoint.nth(1, "alice")
    usual = swarm.send("alice", "when you have time")
    urgent = swarm.send("alice", "stop that", priority="high")
    swarm.until_message(urgent, "leased")
    held.set()
    assert "stop that" in swarm.endpoint.nth(2, "alice").last
    assert "when you have time" not in swarm.endpoint.nth(2, "alice").text
    first, second = swarm.until_turns("alice", 2)
    assert first["messages"][1:] == [urgent]
    assert second["messages"] == [usual]


def test_a_call_that_is_not_allowed_is_refused_and_the_turn_goes_on(swarm: Swarm) -> None:
    swarm.configure("alice", claude='tools = ["Read", "Bash(echo:*)"]')
    swarm.start()
    swarm.endpoint.script(
        call("Bash", command="touch stolen", description="a"),
        call("Write", file_path="/tmp/stolen", content="x"),
        call("Bash", command="echo fine", description="c"),
        agent="alice",
    )
    swarm.send("alice", "begin")
    assert swarm.endpoint.nth(1, "alice").tools >= {"Read", "Bash"}
    assert "Write" not in swarm.endpoint.nth(1, "alice").tools
    assert "denied" in swarm.endpoint.nth(2, "alice").last
    assert "fine" in swarm.endpoint.nth(4, "alice").last
    [turn] = swarm.until_turns("alice", 1)
    assert turn["outcome"] == "done"
    state = swarm.hive.state_dir / "agents" / "alice" / "state"
    assert not (state / "stolen").exists()


ANOTHER_SERVER = """
[agents.alice.claude.mcp.again]
run = ["hive-ag3nt", "mcp"]
tools = ["whoami"]
"""


def test_a_further_server_gives_the_tools_that_are_allowed(swarm: Swarm) -> None:
    swarm.configure("alice", claude=ANOTHER_SERVER)
    swarm.start()
    swarm.endpoint.script(
        call("mcp__again__whoami"),
        call("mcp__again__send", to="operator", body="not allowed"),
        agent="alice",
    )
    swarm.send("alice", "begin")
    assert '"alice"' in swarm.endpoint.nth(2, "alice").last
    assert "denied" in swarm.endpoint.nth(3, "alice").last
    swarm.until_turns("alice", 1)
    assert swarm.operator_mail() == []


def test_the_manager_has_its_tools_and_a_refusal_is_one_it_can_act_on(swarm: Swarm) -> None:
    swarm.configure("alice", more=swarm.manager())
    swarm.start()
    swarm.endpoint.script(
        hive("restart", name="alise"), hive("get_logs", name="alice"), agent="hm1nd"
    )
    swarm.send("hm1nd", "care for alice")
    assert "mcp__hive__restart" in swarm.endpoint.nth(1, "hm1nd").tools
    assert "alise" in swarm.endpoint.nth(2, "hm1nd").last
    assert "serving alice" in swarm.endpoint.nth(3, "hm1nd").last
