"""Options of a send: keys, times, priority, threads, groups, queues."""

import json
from pathlib import Path

import pytest

from hive.config import Limits
from hive.errors import (
    BadRequestError,
    ConflictError,
    RateLimitedError,
    StaleLeaseError,
    TooLargeError,
    UnknownNameError,
)
from hive.store import NO_ORIGIN, Kind, MessageState, Store
from hive.wire.enums import NackMode, Priority
from tests.broker.client import BrokerClient, Draft, local_broker
from tests.broker.rig import WALL, Rig


def operator(to: str, body: str = "job", *, dedupe_key: str | None = None) -> Draft:
    return Draft("operator", Kind.OPERATOR, to, body, dedupe_key=dedupe_key)


def test_the_higher_priority_goes_first_and_within_one_the_older() -> None:
    rig = Rig()
    for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.NORMAL, Priority.HIGH):
        rig.send(priority=priority)
    assert rig.take(rig.session(), 8) == [3, 5, 2, 4, 1]


def test_what_is_not_due_is_not_delivered() -> None:
    rig = Rig()
    later = rig.send(delay=10).id
    at = rig.send(not_before=WALL + 5).id
    session = rig.session()
    assert rig.take(session, 8) == []
    rig.advance(5)
    assert rig.take(session, 8) == [at]
    rig.advance(5)
    assert rig.take(session, 8) == [later]


def test_a_time_that_is_past_is_refused_and_a_delay_overrides_it() -> None:
    rig = Rig()
    with pytest.raises(BadRequestError, match="is past, it is"):
        rig.send(not_before=WALL - 5)
    assert rig.take(rig.session(), 8) == []
    later = rig.send(not_before=WALL - 5, delay=10).id
    rig.advance(10)
    assert rig.take(rig.session(), 8) == [later]


def test_a_message_that_expires_is_reported_to_its_sender() -> None:
    rig = Rig()
    number = rig.send(ttl=10).ids[0]
    message = rig.messages[number]
    rig.advance(10)
    assert message.state is MessageState.EXPIRED
    assert rig.take(rig.session()) == []
    [notice] = rig.got(rig.recv(rig.session("alice"))) or []
    assert notice.sender == "system"
    event = json.loads(notice.body or "")
    assert (event["event"], event["id"], event["to"]) == ("expired", number, "bob")


def test_what_is_worked_on_does_not_expire_until_it_goes_back() -> None:
    rig = Rig()
    number = rig.send(ttl=10).ids[0]
    message = rig.messages[number]
    session = rig.session()
    rig.take(session)
    rig.advance(50)
    assert message.state is MessageState.LEASED
    rig.close(session)
    assert rig.take(rig.session()) == []
    assert message.state is MessageState.EXPIRED


def test_a_repeat_of_a_key_is_the_first_message_within_the_window() -> None:
    rig = Rig(Limits(dedupe_window=100))
    first = rig.send(dedupe_key="k")
    again = rig.send(body="other", dedupe_key="k")
    assert (again.ids, again.duplicate) == (first.ids, True)
    assert not rig.send(sender="carol", dedupe_key="k").duplicate
    assert not rig.send(dedupe_key="l").duplicate
    rig.advance(100)
    assert not rig.send(dedupe_key="k").duplicate


async def test_a_key_is_remembered_over_a_restart(store: Store) -> None:
    draft = Draft("alice", Kind.AGENT, "*", "all", dedupe_key="k")
    sent = []
    for _ in range(2):
        async with local_broker(store) as broker:
            for name in ("bob", "carol"):
                broker.add_inbox(name, Kind.AGENT)
            sent.append(await broker.send(draft))
    assert (sent[1].ids, sent[1].recipients) == (sent[0].ids, sent[0].recipients)
    assert [each.duplicate for each in sent] == [False, True]


def test_a_newer_message_takes_the_place_of_unread_ones_of_its_key() -> None:
    rig = Rig()
    old = rig.messages[rig.send(supersede_key="k").ids[0]]
    others = [rig.send(supersede_key="l").id, rig.send(sender="carol", supersede_key="k").id]
    new = rig.send(supersede_key="k").id
    assert (old.state, old.reason) == (MessageState.EXPIRED, f"superseded by message {new}")
    assert rig.take(rig.session(), 8) == [*others, new]


def test_what_is_worked_on_is_superseded_when_it_goes_back() -> None:
    rig = Rig()
    old = rig.messages[rig.send(supersede_key="k").ids[0]]
    session = rig.session()
    rig.take(session)
    new = rig.send(supersede_key="k").id
    assert old.state is MessageState.LEASED
    rig.close(session)
    assert old.state is MessageState.EXPIRED
    assert rig.take(rig.session(), 8) == [new]


def test_replies_keep_the_thread_also_when_what_they_answer_has_ended() -> None:
    rig = Rig()
    first = rig.send().ids[0]
    reply = rig.send("alice", sender="bob", in_reply_to=first).ids[0]
    session = rig.session("alice")
    rig.ack(session, *rig.take(session))
    third = rig.send(in_reply_to=reply).ids[0]
    messages = rig.messages
    assert messages[first].thread is None
    assert messages[third].thread == first
    assert messages[third].hops == 2


def test_a_sender_that_is_too_fast_is_refused_with_the_time_to_wait() -> None:
    rig = Rig(Limits(rate=60))
    rig.send_many(60)
    with pytest.raises(RateLimitedError, match=r"60 messages.*limit is 60;.*in 1\.0 s"):
        rig.send()
    rig.send(sender="carol")
    rig.send(sender_kind=Kind.OPERATOR, sender="operator")
    rig.advance(1)
    rig.send()
    with pytest.raises(RateLimitedError):
        rig.send()


def test_what_is_refused_does_not_count_against_the_rate() -> None:
    rig = Rig(Limits(rate=60))
    for _ in range(61):
        with pytest.raises(UnknownNameError):
            rig.send("nobody")
    for _ in range(60):
        rig.send()
    with pytest.raises(RateLimitedError):
        rig.send()


def test_a_broadcast_skips_participants_not_seen_for_long_and_names_them() -> None:
    rig = Rig(Limits(unseen_after=100))
    rig.rules.add_inbox("gone", Kind.AGENT, last_seen=WALL - 101)
    rig.rules.add_inbox("never", Kind.AGENT, idle=True)
    rig.rules.add_inbox("new", Kind.AGENT)
    sent = rig.send("*")
    assert "new" in sent.recipients
    assert [skipped.name for skipped in sent.skipped] == ["gone", "never"]
    assert "last seen" in sent.skipped[0].reason
    rig.session("gone")
    assert "gone" in rig.send("*").recipients


async def test_a_group_is_all_its_members_but_the_sender(
    broker: BrokerClient, store: Store
) -> None:
    await broker.change_group("ops", add=["alice", "bob"])
    assert (await broker.send(Draft("alice", Kind.AGENT, "@ops", "x"))).recipients == ("bob",)
    assert (await broker.send(operator("@ops"))).recipients == ("alice", "bob")
    await broker.change_group("ops", remove=["alice"])
    async with local_broker(store) as later:
        later.add_inbox("bob", Kind.AGENT)
        assert (await later.send(operator("@ops"))).recipients == ("bob",)
    with pytest.raises(UnknownNameError, match="no group '@opps'; did you mean 'ops'"):
        await broker.send(operator("@opps"))
    with pytest.raises(UnknownNameError, match="'nobody'"):
        await broker.change_group("ops", add=["nobody"])


async def test_each_message_of_a_queue_goes_to_one_participant(broker: BrokerClient) -> None:
    with pytest.raises(UnknownNameError):
        await broker.send(Draft("alice", Kind.AGENT, "queue:build", "x"))
    alice, bob = (broker.open_session(name, NO_ORIGIN) for name in ("alice", "bob"))
    with pytest.raises(UnknownNameError, match="no queue 'build'"):
        await broker.recv(alice, queue="build")
    await broker.send(operator("queue:build", "one"))
    await broker.send(Draft("alice", Kind.AGENT, "queue:build", "two"))
    [one] = await broker.recv(alice, queue="build")
    [two] = await broker.recv(bob, queue="build")
    assert (one.body, two.body) == ("one", "two")
    with pytest.raises(Exception, match="not in this inbox"):
        await broker.ack(bob, [one.id], one.lease)
    await broker.ack(bob, [two.id])
    waiting = broker.recv(bob, queue="build", wait=30)
    broker.close_session(alice)
    [again] = await waiting
    assert (again.id, again.attempt) == (one.id, 2)


async def test_a_queue_does_not_begin_with_a_message_that_is_not_stored(
    broker: BrokerClient, store: Store
) -> None:
    await broker.send(operator("bob", dedupe_key="k"))
    with pytest.raises(TooLargeError):
        await broker.send(operator("queue:build", "x" * 70_000))
    assert (await broker.send(operator("queue:build", dedupe_key="k"))).duplicate
    assert broker.queues() == ()
    async with local_broker(store) as later:
        assert later.queues() == ()


async def test_an_ack_of_a_message_of_a_queue_may_be_repeated(broker: BrokerClient) -> None:
    alice, bob = (broker.open_session(name, NO_ORIGIN) for name in ("alice", "bob"))
    await broker.send(operator("queue:build", "one"))
    [one] = await broker.recv(alice, queue="build")
    for _ in range(2):
        await broker.ack(alice, [one.id])
    with pytest.raises(StaleLeaseError, match="not in this inbox"):
        await broker.ack(bob, [one.id])


async def test_what_was_acked_cannot_be_given_back(broker: BrokerClient) -> None:
    bob = broker.open_session("bob", NO_ORIGIN)
    await broker.send(operator("bob"))
    [one] = await broker.recv(bob)
    await broker.ack(bob, [one.id])
    await broker.ack(bob, [one.id])
    with pytest.raises(StaleLeaseError, match="is acked at"):
        await broker.nack(bob, one.id)


def with_a_queue() -> Rig:
    rig = Rig()
    rig.rules.add_queue("build")
    return rig


def test_a_queue_that_holds_mail_is_removed_by_force_only() -> None:
    rig = with_a_queue()
    rig.send("queue:build")
    with pytest.raises(ConflictError, match="holds 1 message, 0 in work; let"):
        rig.rules.remove_queue("build", rig.now, force=False)
    assert rig.rules.remove_queue("build", rig.now, force=True) == 1
    rig.collect()
    assert [notice.detail["reason"] for notice in rig.notices] == ["its queue was removed"]
    with pytest.raises(UnknownNameError):
        rig.send("queue:build")


def test_the_holder_of_mail_of_a_removed_queue_is_refused_with_the_reason() -> None:
    rig = with_a_queue()
    rig.send("queue:build")
    session = rig.session()
    rig.recv(session, queue="build")
    rig.rules.remove_queue("build", rig.now, force=True)
    rig.collect()
    assert list(rig.ack_turn(session).values()) == ["its queue was removed"]


def test_a_receiver_of_a_removed_queue_gets_an_empty_answer() -> None:
    rig = with_a_queue()
    receiver = rig.recv(rig.session(), wait=60.0, queue="build")
    rig.rules.remove_queue("build", rig.now, force=False)
    rig.collect()
    assert rig.got(receiver) == []
    assert rig.rules.delay(rig.now) is None


async def test_a_removed_queue_stays_away_and_comes_back_with_its_mail(path: Path) -> None:
    async with Store(path) as store:
        async with local_broker(store) as broker:
            kept = (await broker.send(operator("queue:build", "one"))).ids
            await broker.send(operator("queue:empty", "two"))
            for name in ("build", "empty"):
                await broker.remove_queue(name, force=True)
        async with local_broker(store) as broker:
            assert broker.queues() == ()
            assert await broker.replay(ids=list(kept)) == list(kept)
        async with local_broker(store) as broker:
            [queue] = broker.queues()
            assert (queue.name, queue.counts.stored, queue.receivers) == ("build", 1, 0)
            session = broker.open_session("bob", NO_ORIGIN)
            assert [got.id for got in await broker.recv(session, queue="build")] == list(kept)


def test_a_newer_message_replaces_all_that_are_unread_also_those_that_came_back() -> None:
    rig = Rig()
    session = rig.session()
    first = rig.send(supersede_key="k").id
    rig.take(session)
    second = rig.send(supersede_key="k").id
    assert first is not None
    rig.nack(session, first, NackMode.DEFER)
    assert rig.take(session, 8) == [second], "what was deferred is out of date by now"


def test_a_dead_letter_that_is_replayed_does_not_hide_the_newest_from_the_next() -> None:
    rig = Rig()
    session = rig.session()
    old = rig.send(supersede_key="k").id
    [held] = rig.take(session)
    message = rig.messages[held]
    rig.nack(session, held, NackMode.REJECT)
    rig.send(supersede_key="k")
    message.state, message.attempts = MessageState.STORED, 0
    rig.rules.restore([message], rig.now)
    assert message.id == old
    newest = rig.send(supersede_key="k").id
    assert rig.take(session, 8) == [newest]


def test_an_earlier_holder_of_mail_of_a_removed_queue_has_lost_nothing() -> None:
    rig = with_a_queue()
    rig.send("queue:build")
    session = rig.session()
    [held] = rig.ids(rig.recv(session, queue="build")) or []
    rig.nack(session, held, NackMode.DEFER)
    rig.rules.remove_queue("build", rig.now, force=True)
    rig.collect()
    assert rig.ack_turn(session) == {}
