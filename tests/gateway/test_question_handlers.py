"""Questions and reminders over sockets: who may ask, answer, see and cancel."""

from __future__ import annotations

import pytest

from actors.testing import advance
from hive.client.agent import OpenItems, Role
from hive.daemon.hive import Hive
from hive.errors import BadRequestError, ConflictError, NotAllowedError, NotFoundError
from hive.view.message_states import message_state
from hive.wire.enums import ActivityState, CancelKind, OnExpiry
from hive.wire.harness import Activity
from tests.support.hives import Line, connected

pytestmark = pytest.mark.sim


async def test_a_question_is_asked_shown_and_answered_over_sockets(hive: Hive) -> None:
    alice, damocles = await hive.client("alice"), await hive.client("damocles")
    number = await alice.ask("deploy?", options=["yes", "no"], to="damocles", ttl=60)
    assert [q.id for q in (await alice.loose_ends()).asked] == [number]
    [question] = (await damocles.loose_ends()).to_answer
    assert (question.asker, question.question, question.options) == (
        "alice",
        "deploy?",
        ["yes", "no"],
    )
    [got] = await damocles.recv()
    assert (got.id, got.type, got.kind, got.sender) == (number, "question", "agent", "alice")
    await advance(2)
    assert (await damocles.loose_ends()).to_answer[0].age_seconds == pytest.approx(2.0)
    await damocles.answer(number, "yes")
    [answer] = await alice.recv()
    assert (answer.type, answer.body, answer.in_reply_to) == ("answer", "yes", number)
    assert answer.sender == "damocles"
    assert await alice.loose_ends() == await damocles.loose_ends() == OpenItems()


async def test_an_answer_without_a_question_is_refused_with_where_the_open_ones_are(
    hive: Hive, host: Line
) -> None:
    alice = await hive.client("alice")
    with pytest.raises(NotFoundError, match="'loose_ends' shows"):
        await alice.answer(4711, "yes")
    assert "'hive-c0re questions' shows" in (await host.refused("answer", id=4711, answer="x"))[1]


async def test_without_a_name_the_operator_is_asked_and_answers(hive: Hive, host: Line) -> None:
    alice = await hive.client("alice")
    number = await alice.ask("may I?")
    [row] = (await host.ok("questions"))["questions"]
    assert (row["id"], row["asker"], row["to"], row["state"]) == (
        number,
        "alice",
        "operator",
        "open",
    )
    [mail] = (await host.ok("inbox"))["messages"]
    assert (mail["id"], mail["type"]) == (number, "question")
    await host.ok("answer", id=number, answer="you may")
    [answer] = await alice.recv()
    assert (answer.sender, answer.kind, answer.body) == ("operator", "operator", "you may")
    assert (await alice.verify(answer.id)).operator_verified
    assert (await host.ok("questions"))["questions"] == []
    [ended] = (await host.ok("questions", all=True))["questions"]
    assert (ended["answer"], ended["answered_by"]) == ("you may", "operator")
    code, error = await host.refused("answer", id=number, answer="again")
    assert (code, f"question {number} was answered by 'operator' at" in error) == ("conflict", True)


@pytest.mark.parametrize("word", ["answered", "cancelled"])
async def test_the_message_of_a_settled_question_says_so(hive: Hive, host: Line, word: str) -> None:
    alice = await hive.client("alice")
    number = await alice.ask("may I?")
    if word == "answered":
        await host.ok("answer", id=number, answer="you may")
    else:
        await alice.cancel(CancelKind.QUESTION, number)
    found = await host.ok("trace", id=number)
    assert found["message"]["state"] == "expired", "the wire has no other state"
    assert message_state(found["message"]) == message_state(found["steps"][-1]) == word


async def test_an_agent_cannot_answer_what_is_not_put_to_it(hive: Hive) -> None:
    alice, bob = await hive.client("alice"), await hive.client("bob")
    number = await alice.ask("delete it all?")
    with pytest.raises(NotAllowedError, match="only 'operator'"):
        await alice.answer(number, "yes")
    with pytest.raises(NotFoundError, match="to or from 'bob'"):
        await bob.answer(number, "yes")
    with pytest.raises(BadRequestError, match="somebody else who can answer"):
        await alice.ask("me?", to="alice")


async def test_a_question_may_be_put_to_the_manager_by_its_other_name(hive: Hive) -> None:
    alice, manager = await hive.client("alice"), await hive.client("hm1nd")
    number = await alice.ask("what now?", to="manager", on_expiry=OnExpiry.HOLD)
    await manager.answer(number, "rest")
    assert [each.body for each in await alice.recv()] == ["rest"]


async def test_a_reminder_is_shown_counted_and_delivered(hive: Hive) -> None:
    alice = await hive.client("alice")
    await alice.hello(Role.HARNESS)
    first = await alice.remind("look at the build", delay=60)
    second = await alice.remind("never mind", delay=90)
    assert [(each.id, each.message) for each in (await alice.loose_ends()).reminders] == [
        (first, "look at the build"),
        (second, "never mind"),
    ]
    assert (await hive.status("alice")).pending_reminders == 2
    await alice.cancel(CancelKind.REMINDER, second)
    [got] = await alice.recv(wait=100)
    assert (got.sender, got.type, got.body) == ("reminder", "reminder", "look at the build")
    assert (await hive.status("alice")).pending_reminders == 0


async def test_a_reminder_needs_one_time(hive: Hive) -> None:
    async with connected(hive.paths.agent_socket("alice")) as line:
        for times in ({}, {"delay_seconds": 1, "at_unix_timestamp": 1}):
            code, error = await line.refused("remind", message="x", **times)
            assert (code, "one of 'delay_seconds' and" in error) == ("bad_request", True)


async def test_a_message_can_be_cancelled_until_it_is_leased(hive: Hive) -> None:
    alice, bob = await hive.client("alice"), await hive.client("bob")
    first, second = [(await alice.send("bob", "hi")).id for _ in range(2)]
    assert first is not None
    assert second is not None
    await alice.cancel(CancelKind.MESSAGE, first)
    assert [each.id for each in await bob.recv(max=2)] == [second]
    with pytest.raises(ConflictError, match="was delivered to 'bob'"):
        await alice.cancel(CancelKind.MESSAGE, second)


async def test_a_wake_has_its_type(hive: Hive) -> None:
    alice = await hive.client("alice")
    await alice.wake("cron", "ding")
    [got] = await alice.recv()
    assert (got.type, got.label) == ("wake", "cron")


@pytest.mark.parametrize("verb", ["request_spawn", "request_apply_commit"])
async def test_only_the_manager_proposes(hive: Hive, verb: str) -> None:
    async with connected(hive.paths.agent_socket("alice")) as line:
        code, error = await line.refused(verb, name="carol")
        assert (code, f"may {verb!r}, not you" in error) == ("not_allowed", True), error


async def test_the_manager_stops_and_restarts_others_but_not_itself(hive: Hive) -> None:
    manager = await hive.client("hm1nd")
    await manager.kill("alice")
    assert (await hive.status("alice")).state == "stopped"
    await manager.start("alice")
    await manager.restart("alice")
    assert (await hive.status("alice")).state == "running"
    assert await manager.get_logs("alice") == ()
    for verb in (manager.kill, manager.restart, manager.update, manager.start):
        with pytest.raises(NotAllowedError, match="cannot stop or restart itself"):
            await verb("hm1nd")


async def test_a_harness_is_announced_again_with_its_last_report(hive: Hive) -> None:
    alice = await hive.client("alice")
    await alice.hello(Role.HARNESS, "test")
    await alice.report(Activity(ActivityState.WORKING, 1.0, about="a long job"))
    participant = hive.parts.registry.get("alice")
    sockets = hive.parts.lifecycle._services.sockets
    await sockets.close(participant)
    await sockets.open(participant)
    await alice.status()
    row = await hive.status("alice")
    assert (row.activity, row.activity_about, row.connected) == ("working", "a long job", True)
