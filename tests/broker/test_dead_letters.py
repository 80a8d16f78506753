"""Attempts, retry delays, dead letters, and what the operator can do with them."""

import json

import pytest

from hive.broker.delivery import retry_delay
from hive.config import Limits
from hive.errors import BadRequestError, NotFoundError
from hive.store import NO_ORIGIN, Kind, MessageState, Step
from hive.store.dead_letters import DeadLetterCriteria
from hive.store.records import session_name
from hive.wire.enums import NackMode
from tests.broker.client import BrokerClient, Draft
from tests.broker.rig import Rig

HELLO = Draft("alice", Kind.AGENT, "bob", "hello")


def test_a_message_that_fails_is_deferred_longer_each_time() -> None:
    assert [retry_delay(attempt) for attempt in (1, 2, 3, 6, 7, 1000)] == [1, 2, 4, 32, 60, 60]


def test_a_failed_message_is_deferred_unless_the_nack_has_a_delay() -> None:
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


def test_a_deferred_message_after_a_failure_holds_no_other_up() -> None:
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
    assert [notice.kind.value for notice in rig.notices] == ["dead_letter"]


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


async def give_up(broker: BrokerClient, session: str, reason: str) -> int:
    sent = await broker.send(HELLO)
    [got] = await broker.recv(session)
    await broker.nack(session, got.id, NackMode.REJECT, reason=reason)
    assert sent.id is not None
    return sent.id


async def test_a_dead_letter_is_kept_whole_and_replayed_with_all_its_attempts(
    broker: BrokerClient,
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    number = await give_up(broker, session, "never")
    [letter] = await broker.dead_letters(DeadLetterCriteria())
    assert (letter.id, letter.body, letter.reason) == (number, "hello", "never")
    waiting = broker.recv(session, wait=30)
    assert await broker.replay(ids=[number]) == [number]
    [again] = await waiting
    assert (again.id, again.body, again.attempt, again.redelivered) == (number, "hello", 1, True)
    await broker.ack(session, [number])
    assert not await broker.dead_letters(DeadLetterCriteria())
    assert await broker.replay(ids=[number]) == [], "it is no dead letter any more"


async def test_dead_letters_are_selected_by_inbox_sender_and_age_and_never_by_omission(
    broker: BrokerClient,
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    number = await give_up(broker, session, "never")
    for verb in (broker.replay, broker.discard):
        with pytest.raises(BadRequestError, match="never all"):
            await verb()
        assert await verb(inbox="alice") == []
        assert await verb(sender="bob") == []
        assert await verb(older_than_seconds=1e9) == []
    assert await broker.discard(inbox="bob", sender="alice", older_than_seconds=0) == [number]
    message = await broker.message(number)
    assert message.state is MessageState.EXPIRED
    assert broker.unread("bob") == 0


async def test_the_trace_has_every_step_with_attempt_session_and_reason(
    broker: BrokerClient,
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    sent = await broker.send(HELLO)
    assert sent.id is not None
    await broker.recv(session)
    await broker.begin(session, [sent.id])
    await broker.nack(session, sent.id, NackMode.FAIL, delay=0, reason="first")
    await broker.recv(session)
    await broker.nack(session, sent.id, NackMode.REJECT, reason="second")
    await broker.replay(ids=[sent.id])
    await broker.recv(session)
    await broker.ack(session, [sent.id])
    message, steps = await broker.trace(sent.id)
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
        await broker.trace(99)


# Notices to senders


def notices(rig: Rig, name: str) -> list[dict[str, object]]:
    """Receive the events that `system` has sent to a participant."""
    got = rig.got(rig.recv(rig.session(name), 32)) or []
    return [json.loads(message.body or "") for message in got if message.sender == "system"]


@pytest.mark.parametrize(
    ("sender", "kind"), [("alice", Kind.AGENT), ("hm1nd", Kind.MANAGER), ("damocles", Kind.PEER)]
)
def test_the_sender_of_a_dead_letter_is_notified_which_and_why(sender: str, kind: Kind) -> None:
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


def test_a_sender_is_notified_also_when_all_attempts_were_used_or_the_inbox_was_purged() -> None:
    rig = Rig(Limits(max_attempts=1))
    first, second = rig.send_many(2)
    session = rig.session()
    rig.take(session)
    rig.close(session)
    rig.remove_inbox("bob", force=False, purge=True)
    rig.collect()
    assert [(event["id"], event["reason"]) for event in notices(rig, "alice")] == [
        (first, "gave up after attempt 1 of 1: the session that held it ended"),
        (second, "its inbox was purged"),
    ]


def test_the_operator_gets_only_an_event() -> None:
    rig = Rig()
    rig.send(sender="operator", sender_kind=Kind.OPERATOR)
    session = rig.session()
    rig.nack(session, *rig.take(session), NackMode.REJECT)
    rig.collect()
    assert rig.rules.table.inboxes["operator"].unread == 0
    assert [notice.kind.value for notice in rig.notices] == ["dead_letter"]


def test_a_notice_that_dies_itself_makes_no_further_notice() -> None:
    rig = Rig()
    rig.send()
    bob, alice = rig.session(), rig.session("alice")
    rig.nack(bob, *rig.take(bob), NackMode.REJECT)
    rig.collect()
    rig.nack(alice, *rig.take(alice), NackMode.REJECT)
    rig.collect()
    assert [notice.kind.value for notice in rig.notices] == ["dead_letter"] * 2
    assert not rig.messages


def test_a_sender_that_was_removed_gets_no_notice() -> None:
    rig = Rig()
    rig.send()
    session = rig.session()
    rig.remove_inbox("alice", force=False, purge=False)
    rig.nack(session, *rig.take(session), NackMode.REJECT)
    rig.collect()
    assert not rig.messages


def test_all_returned_messages_may_become_dead_letters_while_their_sender_waits() -> None:
    rig = Rig(Limits(max_attempts=1))
    rig.send("alice", sender="alice")
    rig.send("alice", sender="alice")
    holder = rig.session("alice")
    rig.take(holder, 2)
    receiver = rig.recv(holder, 8, wait=60)
    assert rig.requeue_inflight(holder) == 2
    rig.collect()
    rig.advance(1)
    assert rig.ids(receiver) == [3], "the first notice; the second waits in the inbox"
    assert rig.rules.table.inboxes["alice"].unread == 2
