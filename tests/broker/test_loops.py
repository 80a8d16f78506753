"""Pairs of agents that loop are stopped, are reported, and lose no message."""

import json

import pytest

from hive.config import Limits
from hive.errors import ConflictError
from hive.store import NO_ORIGIN, Kind, MessageState, Step, Store
from tests.broker.client import Draft, local_broker
from tests.broker.rig import Rig


def chat(rig: Rig, rounds: int) -> None:
    for _ in range(rounds):
        rig.send("bob", sender="alice")
        rig.send("alice", sender="bob")


def tripped() -> Rig:
    rig = Rig(Limits(pair_rate=3))
    chat(rig, 3)
    return rig


def test_a_pair_that_is_too_busy_both_ways_is_parked() -> None:
    rig = tripped()
    sent = rig.send("bob", sender="alice")
    assert sent.parked == "each has sent the other 3 messages within a minute"
    assert rig.messages[sent.ids[0]].state is MessageState.PARKED
    assert rig.send("alice", sender="bob").parked
    assert rig.send("carol", sender="alice").parked is None, "others are not concerned"
    assert rig.rules.table.inboxes["bob"].unread == 5, "nothing is lost, and the notice came"


def test_both_sides_and_the_operator_are_notified_once() -> None:
    rig = tripped()
    rig.send("bob", sender="alice")
    rig.send("bob", sender="alice")
    assert [notice.kind.value for notice in rig.notices] == ["loop_tripped"]
    for name in ("alice", "bob"):
        got = rig.got(rig.recv(rig.session(name), 32)) or []
        [notice] = [message for message in got if message.sender == "system"]
        assert json.loads(notice.body or "")["pair"] == ["alice", "bob"]


def test_much_mail_one_way_is_no_loop_and_a_minute_later_nothing_is() -> None:
    rig = Rig(Limits(pair_rate=3))
    rig.send_many(50)
    assert not rig.rules.sending.guard.tripped
    rig = tripped()
    rig.advance(61)
    assert rig.send("bob", sender="alice").parked is None


def test_a_message_of_the_operator_restarts_the_count() -> None:
    rig = tripped()
    rig.send("alice", sender="operator", sender_kind=Kind.OPERATOR)
    rig.time += 0.001
    assert rig.send("bob", sender="alice").parked is None


def test_a_chain_of_replies_is_only_so_long() -> None:
    rig = Rig(Limits(max_hops=2))
    last = rig.send("bob", sender="alice").ids[0]
    pairs = [("bob", "alice"), ("alice", "bob")]
    for sender, to in pairs:
        sent = rig.send(to, sender=sender, in_reply_to=last)
        assert sent.parked is None
        last = sent.ids[0]
    sent = rig.send("alice", sender="bob", in_reply_to=last)
    assert sent.parked == "a chain of 3 replies, the limit is 2"


def test_a_parked_message_expires_when_its_time_is_over() -> None:
    rig = tripped()
    parked = rig.send("bob", sender="alice", ttl=10).ids[0]
    [circuit] = rig.rules.sending.guard.tripped.values()
    rig.advance(9)
    assert list(circuit.parked) == [parked]
    rig.advance(2)
    assert (parked in rig.messages, circuit.parked) == (False, {})
    assert rig.notices[-1].kind.value == "expired"


def test_the_reset_delivers_what_was_parked_in_order() -> None:
    rig = tripped()
    parked = [rig.send("bob", sender="alice").ids[0] for _ in range(2)]
    session = rig.session()
    before = rig.take(session, 32)
    assert not set(parked) & set(before)
    waiting = rig.recv(session, 32, wait=30)
    assert rig.rules.reset_loop("bob", "alice", rig.now) == 2
    rig.collect()
    assert rig.ids(waiting) == parked
    assert rig.send("bob", sender="alice").parked is None
    with pytest.raises(ConflictError, match="may talk"):
        rig.rules.reset_loop("alice", "bob", rig.now)


def test_the_reset_delivers_at_once_what_was_also_deferred_and_is_due() -> None:
    rig = tripped()
    due = rig.send("bob", sender="alice", delay=20).id
    rig.take(rig.session(), 32)
    rig.advance(30)
    waiting = rig.recv(rig.session(), 32, wait=30)
    assert rig.rules.reset_loop("alice", "bob", rig.now) == 1
    rig.collect()
    assert rig.ids(waiting) == [due]


def test_the_reset_defers_what_is_not_due_yet() -> None:
    rig = tripped()
    deferred = rig.send("bob", sender="alice", delay=20).id
    rig.take(rig.session(), 32)
    assert rig.rules.reset_loop("alice", "bob", rig.now) == 1
    assert rig.rules.is_due_changed, "its time is the next that something is due"
    assert rig.take(rig.session(), 32) == []
    rig.advance(20)
    assert rig.take(rig.session(), 32) == [deferred]


async def test_a_restart_keeps_the_circuit_open(store: Store) -> None:
    limits = Limits(max_hops=1)
    async with local_broker(store, limits) as broker:
        for name in ("alice", "bob"):
            broker.add_inbox(name, Kind.AGENT)
        first = await broker.send(Draft("alice", Kind.AGENT, "bob", "1"))
        second = await broker.send(Draft("bob", Kind.AGENT, "alice", "2", in_reply_to=first.id))
        third = await broker.send(Draft("alice", Kind.AGENT, "bob", "3", in_reply_to=second.id))
        assert third.parked
    async with local_broker(store, limits) as broker:
        for name in ("alice", "bob"):
            broker.add_inbox(name, Kind.AGENT)
        [circuit] = broker.loops()
        assert (circuit.pair, circuit.why) == (("alice", "bob"), third.parked)
        session = broker.open_session("bob", NO_ORIGIN)
        got = await broker.recv(session, max=32)
        assert third.id not in [message.id for message in got]
        assert await broker.reset_loop("alice", "bob") == 1
        [released] = await broker.recv(session)
        assert (released.id, released.body) == (third.id, "3")
        _, steps = await broker.trace(released.id)
        assert [each.step for each in steps] == [
            Step.STORED,
            Step.PARKED,
            Step.RELEASED,
            Step.LEASED,
        ]


def test_what_was_let_through_begins_a_new_chain_also_when_it_is_acked_already() -> None:
    rig = Rig(Limits(max_hops=1))
    first = rig.send("bob", sender="alice").id
    answer = rig.send("alice", sender="bob", in_reply_to=first).id
    parked = rig.send("bob", sender="alice", in_reply_to=answer)
    assert parked.parked
    rig.rules.reset_loop("alice", "bob", rig.now)
    session = rig.session()
    rig.ack(session, *rig.take(session, 8))
    assert rig.send("alice", sender="bob", in_reply_to=parked.id).parked is None
