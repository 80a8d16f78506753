"""The verbs of a participant's socket, and that its client is that participant only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from attrs import evolve

from actors.testing import advance, settle
from hive.client.agent import AgentClient, Role
from hive.clock import LoopClock
from hive.daemon.hive import Hive
from hive.version import VERSION
from hive.wire.base import LINE_MAX
from tests.support.hives import Line, connected

pytestmark = pytest.mark.sim


async def test_the_socket_decides_the_sender(hive: Hive, alice: Line, bob: Line) -> None:
    identity = await alice.ok("whoami")
    assert (identity["name"], identity["kind"]) == ("alice", "agent")
    sent = await alice.ok("send", to="bob", body="hi")
    assert sent["recipients"] == ["bob"]
    [message] = (await bob.ok("recv"))["messages"]
    assert (message["id"], message["from"], message["kind"]) == (sent["id"], "alice", "agent")
    code, error = await bob.refused("send", to="operator", body="x", **{"from": "alice"})
    assert (code, "'from'" in error) == ("bad_request", True)


async def test_the_sender_is_kept_with_what_the_kernel_knows_of_it(hive: Hive, alice: Line) -> None:
    await alice.ok("send", to="bob", body="hi")
    [message] = await hive.inbox("bob")
    assert (message.origin.pid, message.origin.uid) == (os.getpid(), os.geteuid())
    assert message.origin.socket == str(hive.paths.agent_socket("alice"))


@pytest.mark.parametrize(
    "verb", ["stop", "start", "kill", "restart", "destroy", "spawn", "shutdown", "get_logs"]
)
async def test_no_agent_has_an_operators_or_the_managers_verbs(alice: Line, verb: str) -> None:
    code, error = await alice.refused(verb, name="bob")
    assert (code, f"may {verb!r}" in error) == ("not_allowed", True)


async def test_a_message_is_leased_acked_and_gone(alice: Line, bob: Line) -> None:
    await alice.ok("send", to="bob", body="one")
    await alice.ok("send", to="bob", body="two")
    assert (await bob.ok("status"))["unread"] == 2
    [one, two] = (await bob.ok("recv", max=16))["messages"]
    assert (one["body"], two["body"]) == ("one", "two")
    await bob.ok("ack", ids=[one["id"]], lease=one["lease"])
    code, error = await bob.refused("ack", ids=[two["id"]], lease="an older one")
    assert (code, str(two["id"]) in error) == ("stale_lease", True)
    await bob.ok("ack", ids=[one["id"]])
    await bob.ok("ack_turn")
    assert (await bob.ok("status"))["unread"] == 0
    seen = (await bob.ok("recent"))["messages"]
    assert [(row["body"], row["state"]) for row in seen] == [("one", "acked"), ("two", "acked")]


async def test_recent_unread_has_the_urgent_ones_first_and_cuts_bodies(
    hive: Hive, alice: Line, bob: Line, host: Line
) -> None:
    await host.ok("send", to="bob", body="stop everything")
    await alice.ok("send", to="bob", body="urgent", priority="high")
    await alice.ok("send", to="bob", body="later", priority="high", delay_seconds=3600)
    for number in range(5):
        await alice.ok("send", to="bob", body=f"{number} " + "\x01" * 1000, priority="low")

    async def seen(**asked: int) -> list[str]:
        rows = (await bob.ok("recent", unread=True, **asked))["messages"]
        return [row["body"] for row in rows]

    assert await seen(max=1) == ["stop everything"]
    assert await seen(max=3, body_max=1) == ["s", "u", "4"]
    assert len(await seen()) == 7, "all but the delayed one"
    [_, cut] = (await bob.ok("recent", max=2, body_max=10))["messages"]
    assert (cut["body"], cut["body_length"]) == ("4 " + "\x01" * 8, 1002)
    [whole] = (await bob.ok("recent", max=1, body_max=1002))["messages"]
    assert (len(whole["body"]), "body_length" in whole) == (1002, False)
    await bob.ok("recv", max=1)
    assert await seen(max=1) == ["stop everything"], "the leased one was the urgent one"
    assert (await bob.refused("recent", body_max=-1))[0] == "bad_request"


async def test_a_returned_message_is_delivered_again(alice: Line, bob: Line) -> None:
    await alice.ok("send", to="bob", body="work")
    [first] = (await bob.ok("recv"))["messages"]
    await bob.ok("nack", id=first["id"], mode="fail", reason="not today")
    await advance(1)
    [second] = (await bob.ok("recv"))["messages"]
    assert (second["attempt"], second["redelivered"]) == (2, True)
    assert (await bob.ok("requeue_inflight"))["requeued"] == 1
    [third] = (await bob.ok("recv"))["messages"]
    await bob.ok("nack", id=third["id"], mode="reject", reason="never")
    assert (await bob.ok("recv"))["messages"] == []


async def test_a_lost_connection_returns_its_mail_at_once(hive: Hive, alice: Line) -> None:
    await alice.ok("send", to="bob", body="work")
    async with connected(hive.paths.agent_socket("bob")) as first:
        assert (await first.ok("recv"))["messages"]
    async with connected(hive.paths.agent_socket("bob")) as second:
        [again] = (await second.ok("recv", wait_seconds=1))["messages"]
        assert (again["attempt"], again["redelivered"]) == (2, True)


async def test_a_long_poll_waits_without_holding_up_the_rest(alice: Line, bob: Line) -> None:
    bob.write({"cmd": "recv", "wait_seconds": 60, "req": "parked"}, {"cmd": "status", "req": 1})
    assert (await bob.read())["req"] == 1
    await advance(59)
    await alice.ok("send", to="bob", body="ring")
    parked = await bob.read()
    assert (parked["req"], parked["messages"][0]["body"]) == ("parked", "ring")
    assert (await bob.ok("recv", wait_seconds=5))["messages"] == []


async def test_an_answer_of_a_limited_recv_is_a_line_that_any_client_can_read(
    alice: Line, bob: Line
) -> None:
    for _ in range(20):
        await alice.ok("send", to="bob", body="x" * 65536)
    bob.write({"cmd": "recv", "max": 32, "max_bytes": 65536 * 15, "req": 1})
    line = await bob.reader.readline()
    assert line.count(b'"lease"') == 15
    assert len(line) <= LINE_MAX
    assert len((await bob.ok("recv", max=32, max_bytes=1))["messages"]) == 1
    assert len((await bob.ok("recv", max=32))["messages"]) == 4


async def test_recv_acks_in_the_same_request(alice: Line, bob: Line) -> None:
    await alice.ok("send", to="bob", body="one")
    [message] = (await bob.ok("recv"))["messages"]
    assert (await bob.ok("recv", ack=[message["id"]]))["messages"] == []
    assert (await bob.ok("status"))["unread"] == 0


async def test_a_broadcast_names_its_recipients(alice: Line) -> None:
    assert (await alice.ok("send", to="*", body="all"))["recipients"] == ["bob", "hm1nd"]


async def test_mail_to_an_unknown_name_is_refused_with_the_nearest_one(alice: Line) -> None:
    code, error = await alice.refused("send", to="bbo", body="x")
    assert (code, "'bob'" in error) == ("unknown_name", True)
    code, error = await alice.refused("send", to="bob", body="x" * 70_000)
    assert (code, "65536" in error) == ("too_large", True)


async def test_a_status_line_is_shown_and_cleared(hive: Hive, alice: Line) -> None:
    await alice.ok("set_status", text="reading")
    row = await hive.status("alice")
    assert row.status_text == "reading"
    assert row.status_set_at is not None
    await alice.ok("set_status", text="")
    row = await hive.status("alice")
    assert (row.status_text, row.status_set_at) == (None, None)


async def test_a_status_line_ends_with_the_run_that_said_it(hive: Hive, alice: Line) -> None:
    await alice.ok("set_status", text="reading")
    await asyncio.sleep(1)
    await hive.restart("alice")
    agent = hive.parts.registry.agent("alice")
    assert agent.running is not None
    agent.running = evolve(agent.running, since=LoopClock(asyncio.get_running_loop()).now())
    assert ((await hive.status("alice")).status_text) is None
    async with connected(hive.paths.agent_socket("alice")) as line:
        await line.ok("set_status", text="writing")
        assert (await hive.status("alice")).status_text == "writing"
    await hive.stop("alice")
    assert ((await hive.status("alice")).status_text) is None


async def test_a_verb_of_the_manager_or_the_operator_is_not_allowed(alice: Line) -> None:
    code, error = await alice.refused("kill", name="bob")
    assert (code, error) == ("not_allowed", "only the manager may 'kill', not you")
    code, error = await alice.refused("spawn", name="bob")
    assert (code, error) == ("not_allowed", "only the operator may 'spawn', not you")


async def test_a_wake_has_its_label(alice: Line) -> None:
    await alice.ok("wake", body="tests are green", **{"from": "ci"})
    [message] = (await alice.ok("recv"))["messages"]
    assert (message["from"], message["label"], message["body"]) == (
        "alice",
        "ci",
        "tests are green",
    )


async def test_a_transient_wake_is_dropped_unless_a_receiver_waits(hive: Hive, alice: Line) -> None:
    answer = await alice.ok("wake", body="nobody", transient=True, **{"from": "ci"})
    assert "id" not in answer
    assert (await alice.ok("status"))["unread"] == 0
    async with connected(hive.paths.agent_socket("alice")) as waiting:
        waiting.write({"cmd": "recv", "wait_seconds": 60})
        await settle()
        assert "id" in await alice.ok("wake", body="now", transient=True, **{"from": "ci"})
        assert (await waiting.read())["messages"][0]["body"] == "now"


async def test_presence_counts_harnesses_and_outlives_none_of_them(hive: Hive) -> None:
    path = hive.paths.agent_socket("damocles")
    assert (await hive.status("damocles")).state == "away"
    async with connected(path) as tool:
        await tool.ok("hello", role="tool")
        assert not (await hive.status("damocles")).connected
        first, second = await Line.to(path), await Line.to(path)
        assert (await first.ok("hello", role="harness"))["name"] == "damocles"
        await first.ok("hello", role="harness")
        await second.ok("hello", role="harness")
        row = await hive.status("damocles")
        assert (row.state, row.connected, row.running) == ("connected", True, True)
        await advance(100)
        await first.close()
        await settle()
        assert (await hive.status("damocles")).state == "connected"
        await second.close()
        await settle()
        gone = await hive.status("damocles")
        assert (gone.state, gone.since) == ("away", None)
        assert gone.last_seen is not None
        assert row.last_seen is not None
        assert gone.last_seen > row.last_seen


async def test_a_harness_says_its_version_and_what_later_ones_say_is_ignored(hive: Hive) -> None:
    assert (await hive.status("damocles")).harness_version is None
    async with connected(hive.paths.agent_socket("damocles")) as line:
        await line.ok("hello", role="harness", version="9.1", what_later_ones_say=[1])
        assert (await hive.status("damocles")).harness_version == "9.1"
        code, error = await line.refused("hello", role="harness", version="9" * 65)
        assert ("version" in error, code) == (True, "bad_request")
    await settle()
    assert (await hive.status("damocles")).harness_version is None


async def test_the_client_of_this_version_says_so(hive: Hive) -> None:
    async with AgentClient(hive.paths.agent_socket("alice")) as client:
        await client.hello(Role.HARNESS, "test")
        assert (await hive.status("alice")).harness_version == VERSION


async def test_participants_see_each_other(hive: Hive, alice: Line) -> None:
    await alice.ok("set_status", text="reading")
    await alice.ok("hello", role="harness")
    rows = {row["name"]: row for row in (await alice.ok("who"))["participants"]}
    assert set(rows) == {"alice", "bob", "hm1nd", "damocles"}
    assert (rows["alice"]["connected"], rows["alice"]["status_text"]) == (True, "reading")
    assert rows["damocles"]["kind"] == "peer"
    assert "pid" not in rows["bob"], "nobody sees more of another than that"


# The manager's socket


@pytest.fixture
async def manager(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.manager_socket) as line:
        yield line


async def test_only_the_manager_is_shown_what_the_hive_can_carry_out(alice: Line) -> None:
    assert "capabilities" not in await alice.ok("whoami")


async def test_the_manager_has_an_agents_verbs_on_both_its_sockets(
    hive: Hive, manager: Line
) -> None:
    assert (await manager.ok("whoami"))["kind"] == "manager"
    async with connected(hive.paths.agent_socket("hm1nd")) as inside:
        me = await inside.ok("whoami")
        assert (me["name"], me["capabilities"]) == ("hm1nd", ["proposals"])
        await manager.ok("send", to="manager", body="to myself")
        assert (await inside.ok("recv"))["messages"][0]["body"] == "to myself"
        await inside.ok("get_logs", name="alice")


async def test_the_manager_controls_the_lifecycle_of_other_agents(
    hive: Hive, manager: Line
) -> None:
    await manager.ok("kill", name="alice")
    assert (await hive.status("alice")).state == "stopped"
    await manager.ok("start", name="alice")
    first = (await hive.status("alice")).pid
    for verb in ("restart", "update"):
        await manager.ok(verb, name="alice")
    row = await hive.status("alice")
    assert row.state == "running"
    assert row.pid != first
    hive.runtime.machines["alice"].lines.extend(["one", "two"])  # type: ignore[attr-defined]
    assert (await manager.ok("get_logs", name="alice", lines=1))["lines"] == ["two"]


@pytest.mark.parametrize("verb", ["kill", "start", "restart", "update"])
@pytest.mark.parametrize("name", ["hm1nd", "manager"])
async def test_the_manager_cannot_target_itself(
    hive: Hive, manager: Line, verb: str, name: str
) -> None:
    code, error = await manager.refused(verb, name=name)
    assert (code, "ask the operator" in error) == ("not_allowed", True)
    assert (await hive.status("hm1nd")).state == "running"


@pytest.mark.parametrize("verb", ["kill", "start", "restart", "update", "get_logs"])
async def test_the_manager_cannot_change_the_lifecycle_of_a_peer(manager: Line, verb: str) -> None:
    code, error = await manager.refused(verb, name="damocles")
    assert (code, "is a peer" in error) == ("not_allowed", True)
    code, _ = await manager.refused(verb, name="nobody")
    assert code == "unknown_name"


@pytest.mark.parametrize("verb", ["spawn", "destroy", "register_peer", "shutdown", "set_paused"])
async def test_verbs_that_change_participants_are_the_operators(manager: Line, verb: str) -> None:
    code, error = await manager.refused(verb, name="alice")
    assert (code, "only the " in error) == ("not_allowed", True)


async def test_a_request_in_flight_is_answered_when_the_hive_closes(
    hive: Hive, alice: Line
) -> None:
    alice.write({"cmd": "recv", "wait_seconds": 180})
    await settle()
    await hive.close()
    answers = await alice.reader.read()
    assert answers == b"" or b'"messages":[]' in answers or b'"unavailable"' in answers
    assert not asyncio.all_tasks() - {asyncio.current_task()}


async def test_no_verb_tells_whether_others_have_a_message_or_a_question_of_an_id(
    hive: Hive, alice: Line
) -> None:
    bob, manager = await hive.client("bob"), await hive.client("hm1nd")
    ended = (await bob.send("hm1nd", "secret")).id
    await manager.ack([each.id for each in await manager.recv()])
    answered = await bob.ask("and now?", to="hm1nd")
    await manager.answer(answered, "no")
    waiting = (await bob.send("hm1nd", "secret")).id
    question = await bob.ask("may I?", to="hm1nd")
    reminder = await bob.remind("later", delay=3600)
    unknown = 99
    for verb, fields in (
        ("receipts", lambda number: {"ids": [number]}),
        ("verify", lambda number: {"id": number}),
        ("cancel", lambda number: {"kind": "message", "id": number}),
        ("cancel", lambda number: {"kind": "question", "id": number}),
        ("cancel", lambda number: {"kind": "reminder", "id": number}),
        ("answer", lambda number: {"id": number, "answer": "yes"}),
        ("ack", lambda number: {"ids": [number]}),
        ("nack", lambda number: {"id": number}),
        ("heartbeat", lambda number: {"ids": [number]}),
        ("recv", lambda number: {"ack": [number]}),
        ("send", lambda number: {"to": "bob", "body": "x", "in_reply_to": number}),
    ):
        answers = set()
        for number in (waiting, question, ended, answered, reminder, unknown):
            code, error = await alice.refused(verb, **fields(number))
            answers.add((code, error.replace(str(number), "N")))
        assert len(answers) == 1, (verb, answers)
