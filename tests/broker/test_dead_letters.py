"""Attempts, rests, dead letters and what the operator does about them."""

import json

import pytest

from hive.broker import retry
from hive.config import Limits
from hive.errors import BadRequestError, NotFoundError
from hive.store import NO_ORIGIN, Kind, MessageState, Step
from hive.store.dead_letters import DeadLetters
from hive.store.records import session_name
from hive.wire.words import NackMode
from tests.broker.desk import Desk
from tests.broker.post import Draft, Router

HELLO = Draft("alice", Kind.AGENT, "bob", "hello")


def test_a_message_that_fails_rests_longer_each_time() -> None:
    assert [retry.pause(attempt) for attempt in (1, 2, 3, 6, 7, 1000)] == [1, 2, 4, 32, 60, 60]


def test_a_failure_rests_unless_its_receiver_says_how_long() -> None:
    desk = Desk()
    desk.send()
    session = desk.session()
    [held] = desk.take(session)
    desk.nack(session, held, NackMode.FAIL)
    assert desk.take(session) == []
    desk.advance(1)
    assert desk.take(session) == [held]
    desk.nack(session, held, NackMode.FAIL, delay=0)
    assert desk.take(session) == [held]


def test_a_message_that_rests_holds_no_other_up() -> None:
    desk = Desk()
    first, second = desk.send_many(2)
    session = desk.session()
    desk.take(session)
    desk.nack(session, first, NackMode.FAIL)
    assert desk.take(session, 8) == [second]


def test_the_last_attempt_makes_a_dead_letter_and_deferring_is_no_attempt() -> None:
    desk = Desk(Limits(max_attempts=2))
    desk.send()
    session = desk.session()
    [held] = desk.take(session)
    message = desk.messages[held]
    for _ in range(5):
        desk.nack(session, held, NackMode.DEFER)
        assert desk.take(session) == [held]
    desk.nack(session, held, NackMode.FAIL, delay=0, reason="one")
    desk.take(session)
    desk.nack(session, held, NackMode.FAIL, reason="two")
    assert message.state is MessageState.DEAD
    assert message.reason == "gave up after attempt 2 of 2: two"
    assert [news.kind.value for news in desk.notices] == ["dead_letter"]


def test_a_receiver_that_dies_each_time_or_never_answers_uses_attempts_up() -> None:
    desk = Desk(Limits(max_attempts=2, lease_seconds=100))
    desk.send()
    session = desk.session()
    [held] = desk.take(session)
    message = desk.messages[held]
    desk.close(session)
    desk.take(desk.session())
    desk.advance(100)
    assert message.state is MessageState.DEAD
    assert message.reason == "gave up after attempt 2 of 2: its lease expired"


async def give_up(router: Router, session: str, reason: str) -> int:
    sent = await router.send(HELLO)
    [got] = await router.recv(session)
    await router.nack(session, got.id, NackMode.REJECT, reason=reason)
    assert sent.id is not None
    return sent.id


async def test_a_dead_letter_is_kept_whole_and_replayed_with_all_its_attempts(
    router: Router,
) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    number = await give_up(router, session, "never")
    [letter] = await router.dead_letters(DeadLetters())
    assert (letter.id, letter.body, letter.reason) == (number, "hello", "never")
    waiting = router.recv(session, wait=30)
    assert await router.replay(ids=[number]) == [number]
    [again] = await waiting
    assert (again.id, again.body, again.attempt, again.redelivered) == (number, "hello", 1, True)
    await router.ack(session, [number])
    assert await router.dead_letters(DeadLetters()) == []
    assert await router.replay(ids=[number]) == [], "it is no dead letter any more"


async def test_dead_letters_are_chosen_by_inbox_sender_and_age_and_never_by_omission(
    router: Router,
) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    number = await give_up(router, session, "never")
    for verb in (router.replay, router.discard):
        with pytest.raises(BadRequestError, match="never all"):
            await verb()
        assert await verb(inbox="alice") == []
        assert await verb(sender="bob") == []
        assert await verb(older_than_seconds=1e9) == []
    assert await router.discard(inbox="bob", sender="alice", older_than_seconds=0) == [number]
    message = await router.message(number)
    assert message.state is MessageState.EXPIRED
    assert router.unread("bob") == 0


async def test_the_trace_has_every_step_with_attempt_session_and_reason(router: Router) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    sent = await router.send(HELLO)
    assert sent.id is not None
    await router.recv(session)
    await router.begin(session, [sent.id])
    await router.nack(session, sent.id, NackMode.FAIL, delay=0, reason="first")
    await router.recv(session)
    await router.nack(session, sent.id, NackMode.REJECT, reason="second")
    await router.replay(ids=[sent.id])
    await router.recv(session)
    await router.ack(session, [sent.id])
    message, steps = await router.trace(sent.id)
    assert message.state is MessageState.ACKED
    assert [(each.step, each.attempt, each.reason) for each in steps] == [
        (Step.STORED, 0, None),
        (Step.LEASED, 1, None),
        (Step.IN_TURN, 1, None),
        (Step.NACKED, 1, "first"),
        (Step.LEASED, 2, None),
        (Step.DEAD, 2, "second"),
        (Step.REPLAYED, 0, None),
        (Step.LEASED, 1, None),
        (Step.ACKED, 1, None),
    ]
    assert {each.session_name for each in steps} == {None, session_name("bob", session.number)}
    assert [each.at for each in steps] == sorted(each.at for each in steps)
    with pytest.raises(NotFoundError, match="no message 99"):
        await router.trace(99)


# The sender is told


def notices(desk: Desk, name: str) -> list[dict[str, object]]:
    """Take what `system` tells a participant."""
    got = desk.got(desk.recv(desk.session(name), 32)) or []
    return [json.loads(message.body or "") for message in got if message.sender == "system"]


@pytest.mark.parametrize(
    ("sender", "kind"), [("alice", Kind.AGENT), ("hm1nd", Kind.MANAGER), ("damocles", Kind.PEER)]
)
def test_the_sender_of_a_dead_letter_is_told_which_and_why(sender: str, kind: Kind) -> None:
    desk = Desk()
    desk.send(sender=sender, sender_kind=kind)
    session = desk.session()
    [held] = desk.take(session)
    desk.nack(session, held, NackMode.REJECT, reason="no such branch")
    desk.collect()
    assert notices(desk, sender) == [
        {
            "event": "dead_letter",
            "id": held,
            "from": sender,
            "to": "bob",
            "attempts": 1,
            "reason": "no such branch",
        }
    ]


def test_a_sender_is_told_also_when_all_attempts_were_used_or_the_inbox_was_purged() -> None:
    desk = Desk(Limits(max_attempts=1))
    first, second = desk.send_many(2)
    session = desk.session()
    desk.take(session)
    desk.close(session)
    desk.remove_inbox("bob", force=False, purge=True)
    desk.collect()
    assert [(told["id"], told["reason"]) for told in notices(desk, "alice")] == [
        (first, "gave up after attempt 1 of 1: the session that held it ended"),
        (second, "its inbox was purged"),
    ]


def test_the_operator_is_told_by_the_diary_alone() -> None:
    desk = Desk()
    desk.send(sender="operator", sender_kind=Kind.OPERATOR)
    session = desk.session()
    desk.nack(session, *desk.take(session), NackMode.REJECT)
    desk.collect()
    assert desk.rules.table.inboxes["operator"].unread == 0
    assert [news.kind.value for news in desk.notices] == ["dead_letter"]


def test_a_notice_that_dies_itself_makes_no_further_notice() -> None:
    desk = Desk()
    desk.send()
    bob, alice = desk.session(), desk.session("alice")
    desk.nack(bob, *desk.take(bob), NackMode.REJECT)
    desk.collect()
    desk.nack(alice, *desk.take(alice), NackMode.REJECT)
    desk.collect()
    assert [news.kind.value for news in desk.notices] == ["dead_letter"] * 2
    assert not desk.messages


def test_a_sender_that_has_gone_is_not_told_and_harms_nobody() -> None:
    desk = Desk()
    desk.send()
    session = desk.session()
    desk.remove_inbox("alice", force=False, purge=False)
    desk.nack(session, *desk.take(session), NackMode.REJECT)
    desk.collect()
    assert not desk.messages


def test_all_that_is_put_back_at_once_may_die_while_its_sender_waits_for_mail() -> None:
    desk = Desk(Limits(max_attempts=1))
    desk.send("alice", sender="alice")
    desk.send("alice", sender="alice")
    holder = desk.session("alice")
    desk.take(holder, 2)
    ear = desk.recv(holder, 8, wait=60)
    assert desk.requeue_inflight(holder) == 2
    desk.collect()
    desk.advance(1)
    assert desk.ids(ear) == [3], "the first notice; the second waits in the inbox"
    assert desk.rules.table.inboxes["alice"].unread == 2
