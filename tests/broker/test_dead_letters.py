"""Attempts, rests, dead letters and what the operator does about them."""

import json

import pytest

from hive.broker import retry
from hive.config import Limits
from hive.errors import BadRequestError, NotFoundError
from hive.store import NO_ORIGIN, Kind, MessageState, Step
from hive.store.dead_letters import DeadLetters
from hive.store.records import session_name
from hive.wire.enums import NackMode
from tests.broker.post import Draft, Router
from tests.broker.rig import Rig

HELLO = Draft("alice", Kind.AGENT, "bob", "hello")


def test_a_message_that_fails_rests_longer_each_time() -> None:
    assert [retry.pause(attempt) for attempt in (1, 2, 3, 6, 7, 1000)] == [1, 2, 4, 32, 60, 60]


def test_a_failure_rests_unless_its_receiver_says_how_long() -> None:
    rig = Rig()
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    rig.nack(session, held, NackMode.FAIL)
    assert rig.take(session) == []
    rig.advance(1)
    assert rig.take(session) == [held]
    rig.nack(session, held, NackMode.FAIL, delay=0)
    assert rig.take(session) == [held]


def test_a_message_that_rests_holds_no_other_up() -> None:
    rig = Rig()
    first, second = rig.send_many(2)
    session = rig.session()
    rig.take(session)
    rig.nack(session, first, NackMode.FAIL)
    assert rig.take(session, 8) == [second]


def test_the_last_attempt_makes_a_dead_letter_and_deferring_is_no_attempt() -> None:
    rig = Rig(Limits(max_attempts=2))
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    message = rig.messages[held]
    for _ in range(5):
        rig.nack(session, held, NackMode.DEFER)
        assert rig.take(session) == [held]
    rig.nack(session, held, NackMode.FAIL, delay=0, reason="one")
    rig.take(session)
    rig.nack(session, held, NackMode.FAIL, reason="two")
    assert message.state is MessageState.DEAD
    assert message.reason == "gave up after attempt 2 of 2: two"
    assert [news.kind.value for news in rig.notices] == ["dead_letter"]


def test_a_receiver_that_dies_each_time_or_never_answers_uses_attempts_up() -> None:
    rig = Rig(Limits(max_attempts=2, lease_seconds=100))
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    message = rig.messages[held]
    rig.close(session)
    rig.take(rig.session())
    rig.advance(100)
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


def notices(rig: Rig, name: str) -> list[dict[str, object]]:
    """Take what `system` tells a participant."""
    got = rig.got(rig.recv(rig.session(name), 32)) or []
    return [json.loads(message.body or "") for message in got if message.sender == "system"]


@pytest.mark.parametrize(
    ("sender", "kind"), [("alice", Kind.AGENT), ("hm1nd", Kind.MANAGER), ("damocles", Kind.PEER)]
)
def test_the_sender_of_a_dead_letter_is_told_which_and_why(sender: str, kind: Kind) -> None:
    rig = Rig()
    rig.send(sender=sender, sender_kind=kind)
    session = rig.session()
    [held] = rig.take(session)
    rig.nack(session, held, NackMode.REJECT, reason="no such branch")
    rig.collect()
    assert notices(rig, sender) == [
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
    rig = Rig(Limits(max_attempts=1))
    first, second = rig.send_many(2)
    session = rig.session()
    rig.take(session)
    rig.close(session)
    rig.remove_inbox("bob", force=False, purge=True)
    rig.collect()
    assert [(told["id"], told["reason"]) for told in notices(rig, "alice")] == [
        (first, "gave up after attempt 1 of 1: the session that held it ended"),
        (second, "its inbox was purged"),
    ]


def test_the_operator_is_told_by_the_diary_alone() -> None:
    rig = Rig()
    rig.send(sender="operator", sender_kind=Kind.OPERATOR)
    session = rig.session()
    rig.nack(session, *rig.take(session), NackMode.REJECT)
    rig.collect()
    assert rig.rules.table.inboxes["operator"].unread == 0
    assert [news.kind.value for news in rig.notices] == ["dead_letter"]


def test_a_notice_that_dies_itself_makes_no_further_notice() -> None:
    rig = Rig()
    rig.send()
    bob, alice = rig.session(), rig.session("alice")
    rig.nack(bob, *rig.take(bob), NackMode.REJECT)
    rig.collect()
    rig.nack(alice, *rig.take(alice), NackMode.REJECT)
    rig.collect()
    assert [news.kind.value for news in rig.notices] == ["dead_letter"] * 2
    assert not rig.messages


def test_a_sender_that_has_gone_is_not_told_and_harms_nobody() -> None:
    rig = Rig()
    rig.send()
    session = rig.session()
    rig.remove_inbox("alice", force=False, purge=False)
    rig.nack(session, *rig.take(session), NackMode.REJECT)
    rig.collect()
    assert not rig.messages


def test_all_that_is_put_back_at_once_may_die_while_its_sender_waits_for_mail() -> None:
    rig = Rig(Limits(max_attempts=1))
    rig.send("alice", sender="alice")
    rig.send("alice", sender="alice")
    holder = rig.session("alice")
    rig.take(holder, 2)
    ear = rig.recv(holder, 8, wait=60)
    assert rig.requeue_inflight(holder) == 2
    rig.collect()
    rig.advance(1)
    assert rig.ids(ear) == [3], "the first notice; the second waits in the inbox"
    assert rig.rules.table.inboxes["alice"].unread == 2
