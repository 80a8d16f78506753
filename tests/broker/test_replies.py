"""Replies: only a party of a message may reply to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.broker.local_session import OperatorMail
from hive.config import Limits
from hive.errors import NotFoundError, RateLimitedError, UnavailableError, UnknownNameError
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store, StoreError
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


async def receive(broker: BrokerClient, name: str, **options: str) -> int:
    """Receive one message and ack it."""
    session = broker.open_session(name, NO_ORIGIN)
    [got] = await broker.recv(session, queue=options.get("queue"))
    await broker.ack(session, [got.id])
    broker.close_session(session)
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


async def test_an_answer_is_kept_when_the_call_that_waits_for_it_is_cancelled(
    broker: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = OperatorMail(broker.service, broker)
    number = (await mail.session.send("bob", "job")).id
    assert isinstance(number, int)
    looking = asyncio.Event()

    async def slow(message: int) -> frozenset[str]:
        looking.set()
        await asyncio.sleep(60)
        raise AssertionError(message)

    with monkeypatch.context() as patch:
        patch.setattr(broker, "receivers", slow)
        waiting = asyncio.ensure_future(mail.answer_to(number))
        await broker.send(draft("bob", "operator", "yes", reply=number))
        await looking.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
    assert await mail.answer_to(number) == "yes"
