"""Replies: only a party of a message may reply to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.broker.messages import ENDED_KEPT
from hive.broker.values import Moment
from hive.config import Limits
from hive.errors import NotFoundError, RateLimitedError, UnavailableError, UnknownNameError
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store, StoreError
from hive.store.messages import RECEIPTS_READ
from hive.wire import agent
from tests.broker.client import BrokerClient, Draft, local_broker
from tests.broker.faults import Faults
from tests.broker.rig import Rig

pytestmark = pytest.mark.sim

REFUSED = "no message {} to or from '{}' to reply to; nothing was stored"


def draft(sender: str, to: str, body: str = "hi", *, reply: int | None = None) -> Draft:
    return Draft(sender, Kind.AGENT, to, body, in_reply_to=reply)


def operator(to: str, body: str = "job", *, reply: int | None = None) -> Draft:
    return Draft("operator", Kind.OPERATOR, to, body, in_reply_to=reply)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def store(path: Path, faults: Faults) -> AsyncIterator[Store]:
    async with Store(path, InlineEngine(faults.connection_class())) as opened:
        yield opened


@pytest.fixture
async def broker(store: Store) -> AsyncIterator[BrokerClient]:
    async with local_broker(store) as opened:
        for name in ("alice", "bob", "carol", "mallory"):
            opened.add_inbox(name, Kind.AGENT)
        yield opened


def forget_ended(broker: BrokerClient) -> None:
    """Let the broker look up messages that have ended on disk, as after a restart."""
    table = broker.service.rules.table
    table.ended = [None] * len(table.ended)


async def receive(broker: BrokerClient, name: str, **options: str) -> int:
    """Receive one message and ack it; the broker forgets it."""
    session = broker.open_session(name, NO_ORIGIN)
    [got] = await broker.recv(session, queue=options.get("queue"))
    await broker.ack(session, [got.id])
    broker.close_session(session)
    forget_ended(broker)
    return got.id


def test_sender_and_receiver_may_reply_and_others_may_not() -> None:
    rig = Rig()
    number = rig.send("bob", sender="alice").ids[0]
    for name, to in (("bob", "alice"), ("alice", "bob")):
        assert rig.send(to, sender=name, in_reply_to=number).id is not None
    with pytest.raises(NotFoundError, match=REFUSED.format(number, "carol")):
        rig.send("operator", sender="carol", in_reply_to=number)
    assert rig.rules.table.inboxes["operator"].unread == 0


def test_a_refusal_does_not_say_whether_there_is_such_a_message() -> None:
    rig = Rig()
    number = rig.send("bob", sender="alice").ids[0]
    for each in (number, number + 1):
        with pytest.raises(NotFoundError, match=REFUSED.format(each, "carol")):
            rig.send("bob", sender="carol", in_reply_to=each)


def test_the_operator_may_reply_to_every_message() -> None:
    rig = Rig()
    number = rig.send("bob", sender="alice").ids[0]
    assert rig.send("alice", sender="operator", sender_kind=Kind.OPERATOR, in_reply_to=number).id
    with pytest.raises(NotFoundError):
        rig.send("bob", sender="operator", sender_kind=Kind.OPERATOR, in_reply_to=99)


async def test_a_message_that_has_ended_is_looked_up_on_disk(broker: BrokerClient) -> None:
    number = (await broker.send(operator("bob"))).ids[0]
    assert await receive(broker, "bob") == number
    answer = (await broker.send(draft("bob", "operator", reply=number))).ids[0]
    assert (await broker.message(answer)).thread == number
    for each in (number, number + 50):
        with pytest.raises(NotFoundError, match=REFUSED.format(each, "mallory")):
            await broker.send(draft("mallory", "operator", "bob here: yes", reply=each))
    assert broker.unread("operator") == 1


@pytest.mark.parametrize("queue", [None, "jobs"])
def test_a_reply_soon_after_the_ack_needs_no_lookup(queue: str | None) -> None:
    rig = Rig()
    rig.rules.add_queue("jobs")
    to = "bob" if queue is None else "queue:jobs"
    number = rig.send(to, sender="alice").ids[0]
    session = rig.session("bob")
    [taken] = rig.ids(rig.recv(session, queue=queue)) or []
    rig.ack(session, taken)
    rig.parties.clear()  # as if it were not on disk
    for sender in ("bob", "alice"):
        assert rig.send("carol", sender=sender, in_reply_to=number).id
    if queue is None:  # another may have taken it from a queue before
        with pytest.raises(NotFoundError, match=REFUSED.format(number, "carol")):
            rig.send("bob", sender="carol", in_reply_to=number)


def test_the_newest_ended_messages_are_known_and_no_more() -> None:
    many = 1_000_000
    rig = Rig(Limits(rate=many, inbox_messages=many, sender_messages=many, pair_rate=many))
    session = rig.session("bob")
    ids = rig.send_many(ENDED_KEPT + 3)
    while taken := rig.take(session, 32):
        rig.ack(session, *taken)
    table = rig.rules.table
    assert [number for number in ids if table.find_ended(number) is None] == ids[:3]
    assert len(table.ended) == ENDED_KEPT


async def test_what_ended_in_a_commit_that_failed_is_not_known(
    broker: BrokerClient, faults: Faults
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    waiting = broker.send(draft("alice", "bob"))
    table = broker.service.rules.table
    number = table.last_id
    broker.service.rules.recall(number, "for a test", Moment(0.0, 0.0))
    faults.full = True
    with pytest.raises(StoreError):
        await waiting
    faults.full = False
    await asyncio.sleep(10)
    assert table.find_ended(number) is None
    with pytest.raises(NotFoundError):
        await session.request(agent.Send(to="alice", body="x", in_reply_to=number))


async def test_the_parties_of_a_message_are_read_from_its_newest_receipts(
    broker: BrokerClient, store: Store
) -> None:
    number = (await broker.send(operator("queue:jobs"))).ids[0]
    for name in ("bob", "carol"):
        session = broker.open_session(name, NO_ORIGIN)
        await broker.recv(session, queue="jobs")
        broker.close_session(session)
    await broker.send(operator("alice", "a later commit"))
    assert await broker.receivers(number) == {"queue:jobs", "bob", "carol"}
    row = "INSERT INTO receipts (message, at, step, attempt, session) VALUES (?, 0, 'leased', 1, 0)"
    many = [(number,)] * RECEIPTS_READ
    await store.write(lambda connection: connection.executemany(row, many).rowcount)
    assert await broker.receivers(number) == {"queue:jobs", "carol"}, (
        "the last holder is in its row"
    )


async def test_each_member_of_a_group_may_reply_to_its_own_copy(broker: BrokerClient) -> None:
    await broker.change_group("ops", add=["bob", "carol"])
    sent = await broker.send(operator("@ops"))
    copies = dict(zip(sent.recipients, sent.ids, strict=True))
    for name in ("bob", "carol"):
        assert (await broker.send(draft(name, "operator", reply=copies[name]))).id
    with pytest.raises(NotFoundError):
        await broker.send(draft("bob", "operator", reply=copies["carol"]))


async def test_each_taker_of_a_message_from_a_queue_may_reply_to_it(broker: BrokerClient) -> None:
    number = (await broker.send(operator("queue:jobs"))).ids[0]
    with pytest.raises(NotFoundError, match=REFUSED.format(number, "bob")):
        await broker.send(draft("bob", "operator", reply=number))
    first = broker.open_session("bob", NO_ORIGIN)
    await broker.recv(first, queue="jobs")
    await broker.send(draft("bob", "operator", "begun", reply=number))
    broker.close_session(first)
    await broker.send(draft("bob", "operator", "returned", reply=number))
    assert await receive(broker, "carol", queue="jobs") == number
    for name in ("bob", "carol"):
        await broker.send(draft(name, "operator", "done", reply=number))
    with pytest.raises(NotFoundError):
        await broker.send(draft("mallory", "operator", "done", reply=number))
    assert await broker.receivers(number) == {"queue:jobs", "bob", "carol"}


async def test_a_lookup_does_not_change_the_order_of_a_session(broker: BrokerClient) -> None:
    number = (await broker.send(draft("alice", "bob"))).ids[0]
    await receive(broker, "bob")
    session = broker.open_session("bob", NO_ORIGIN)
    done: list[str] = []
    waiting = []
    for name, reply in (("one", number), ("two", None), ("three", number), ("four", None)):
        request = agent.Send(to="alice", body=name, in_reply_to=reply)
        future = session.request(request)
        future.add_done_callback(lambda _, name=name: done.append(name))
        waiting.append(future)
    waiting.append(session.request(agent.Heartbeat(ids=[])))
    session.close()
    sent = [stored.id for stored in (await asyncio.gather(*waiting))[:-1]]
    assert sent == sorted(sent)
    assert done == ["one", "two", "three", "four"]
    assert [each.body for each in await broker.inbox("alice")] == done
    with pytest.raises(NotFoundError, match="not open"):
        await session.request(agent.Heartbeat(ids=[]))


async def test_what_waits_for_a_lookup_is_refused_alone(broker: BrokerClient) -> None:
    number = (await broker.send(draft("alice", "bob"))).ids[0]
    await receive(broker, "bob")
    session = broker.open_session("mallory", NO_ORIGIN)
    forged = session.request(agent.Send(to="alice", body="bob here", in_reply_to=number))
    unknown = session.request(agent.Send(to="nobody", body="x"))
    plain = session.request(agent.Send(to="alice", body="mallory here"))
    with pytest.raises(NotFoundError):
        await forged
    with pytest.raises(UnknownNameError):
        await unknown
    stored = await plain
    assert [each.id for each in await broker.inbox("alice")] == [stored.id]


async def test_what_waits_for_a_lookup_is_answered_if_the_commit_fails(
    broker: BrokerClient, faults: Faults
) -> None:
    number = (await broker.send(draft("alice", "bob"))).ids[0]
    await receive(broker, "bob")
    session = broker.open_session("bob", NO_ORIGIN)
    waiting = broker.send(operator("carol"))
    reply = session.request(agent.Send(to="alice", body="one", in_reply_to=number))
    plain = session.request(agent.Send(to="alice", body="two"))
    faults.full = True
    with pytest.raises(StoreError):
        await waiting
    with pytest.raises(StoreError):
        await reply
    with pytest.raises(UnavailableError):
        await plain
    assert await broker.inbox("alice") == ()
    assert session.queued is None


async def test_lookups_that_refuse_a_reply_count_against_the_rate(store: Store) -> None:
    async with local_broker(store, Limits(rate=10)) as broker:
        for name in ("bob", "mallory"):
            broker.add_inbox(name, Kind.AGENT)
        number = (await broker.send(operator("bob"))).ids[0]
        await receive(broker, "bob")
        for _ in range(10):
            await broker.send(draft("bob", "operator", reply=number))
        with pytest.raises(RateLimitedError):
            await broker.send(draft("bob", "operator", reply=number))
        for _ in range(10):
            with pytest.raises(NotFoundError):
                await broker.send(draft("mallory", "operator", reply=number))
        with pytest.raises(RateLimitedError):
            await broker.send(draft("mallory", "operator", reply=number))


async def test_a_repeated_reply_is_a_duplicate_after_the_message_was_deleted(
    broker: BrokerClient, store: Store
) -> None:
    number = (await broker.send(operator("bob"))).ids[0]
    await receive(broker, "bob")
    reply = Draft("bob", Kind.AGENT, "operator", "done", in_reply_to=number, dedupe_key="k")
    first = await broker.send(reply)
    await store.write(lambda c: c.execute("DELETE FROM mail WHERE id = ?", (number,)).rowcount)
    again = await broker.send(reply)
    assert (again.id, again.duplicate) == (first.id, True)
