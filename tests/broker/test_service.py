"""Sending and receiving on disk, on both event loops."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from hive.config import Limits
from hive.errors import (
    InboxFullError,
    NotFoundError,
    StaleLeaseError,
    UnavailableError,
    UnknownNameError,
)
from hive.store import NO_ORIGIN, Kind, MessageKind, MessageState, Origin, Store
from hive.wire.enums import NackMode
from tests.broker.client import BrokerClient, Draft, local_broker


def hello(to: str = "bob", body: str = "hello") -> Draft:
    return Draft("alice", Kind.AGENT, to, body)


def rows(path: Path, columns: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(f"SELECT {columns} FROM messages ORDER BY id").fetchall()
    connection.close()
    return found


async def test_sent_means_on_disk(broker: BrokerClient, path: Path) -> None:
    origin = Origin("/run/alice.sock", 12, 1000, 100)
    sent = await broker.send(
        Draft("alice", Kind.AGENT, "bob", "grüße\0", label="cron", origin=origin)
    )
    columns = "id, sender, body, size, label, state, origin_socket, origin_pid, origin_uid"
    expected = (sent.id, "alice", "grüße\0", 8, "cron", "stored", "/run/alice.sock", 12, 1000)
    assert await asyncio.to_thread(rows, path, columns) == [expected]


async def test_a_delivery_shows_what_was_sent(broker: BrokerClient) -> None:
    first = await broker.send(hello())
    await broker.send(
        Draft("alice", Kind.AGENT, "bob", "two", first.id, label="x", kind=MessageKind.WAKE)
    )
    one, two = await broker.recv(broker.open_session("bob", NO_ORIGIN), max=8)
    assert (one.id, one.sender, one.kind, one.body) == (1, "alice", "agent", "hello")
    assert (one.attempt, one.redelivered, one.in_reply_to, one.label) == (1, False, None, None)
    assert (two.body, two.in_reply_to, two.label, two.type) == ("two", 1, "x", "wake")
    assert one.lease == two.lease


async def test_mail_is_handed_over_before_its_sender_is_answered(broker: BrokerClient) -> None:
    """So its receiver waits again before the sender sends the next."""
    order: list[str] = []
    waiting = broker.recv(broker.open_session("bob", NO_ORIGIN), wait=60)
    waiting.add_done_callback(lambda _: order.append("mail"))
    sent = broker.send(hello())
    sent.add_done_callback(lambda _: order.append("answer"))
    await asyncio.gather(waiting, sent)
    assert order == ["mail", "answer"]


async def test_a_parked_receiver_is_served_by_the_commit_of_the_send(
    broker: BrokerClient, path: Path
) -> None:
    waiting = broker.recv(broker.open_session("bob", NO_ORIGIN), wait=60)
    await broker.send(hello())
    assert await asyncio.to_thread(rows, path, "state, attempts, deliveries") == [("leased", 1, 1)]
    [got] = await waiting
    assert got.body == "hello"


async def test_mail_that_waited_on_disk_comes_with_its_body(
    broker: BrokerClient, store: Store
) -> None:
    for number in range(100):
        await broker.send(hello(body=f"body {number}"))
    session = broker.open_session("bob", NO_ORIGIN)
    bodies: list[str] = []
    while got := await broker.recv(session, max=32):
        bodies += [delivery.body for delivery in got]
    assert bodies == [f"body {number}" for number in range(100)]


async def test_recv_acks_first_and_then_leases(broker: BrokerClient) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await asyncio.gather(broker.send(hello()), broker.send(hello()))
    [one] = await broker.recv(session)
    [two] = await broker.recv(session, ack=[one.id])
    assert (one.id, two.id) == (1, 2)
    assert broker.counts("bob").leased == 1
    with pytest.raises(StaleLeaseError, match="message 99 is not in this inbox"):
        await broker.recv(session, ack=[99, two.id])
    assert broker.unread("bob") == 0


async def test_a_refused_ack_has_the_reason_from_disk(broker: BrokerClient) -> None:
    session, other = (broker.open_session("bob", NO_ORIGIN) for _ in range(2))
    alices = broker.open_session("alice", NO_ORIGIN)
    await broker.send(hello())
    await broker.send(hello())
    one, two = await broker.recv(session, max=2)
    await broker.ack(session, [one.id])
    await broker.nack(session, two.id, NackMode.REJECT, reason="poison")
    with pytest.raises(StaleLeaseError, match=r"message 1 is acked at 20.*attempt 1"):
        await broker.ack(other, [one.id])
    with pytest.raises(StaleLeaseError, match=r"message 2 is dead at .* \(poison\)"):
        await broker.nack(session, two.id)
    with pytest.raises(StaleLeaseError, match="message 1 is not in this inbox"):
        await broker.ack(alices, [one.id])


async def test_an_ack_may_be_repeated_by_its_session(broker: BrokerClient) -> None:
    session, other = (broker.open_session("bob", NO_ORIGIN) for _ in range(2))
    await broker.send(hello())
    [got] = await broker.recv(session)
    await asyncio.gather(broker.ack(session, [got.id]), broker.ack(session, [got.id]))
    await broker.ack(other, [got.id], got.lease)
    assert (await broker.message(got.id)).state is MessageState.ACKED


async def test_a_recv_that_repeats_an_ack_is_answered_without_mail(broker: BrokerClient) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(hello())
    [got] = await broker.recv(session)
    await broker.ack(session, [got.id])
    assert await broker.recv(session, ack=[got.id]) == ()


async def test_a_cancelled_recv_gets_no_mail(broker: BrokerClient) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    gone = broker.recv(session, wait=60)
    gone.cancel()
    await broker.send(hello())
    assert broker.counts("bob").stored == 1
    [got] = await broker.recv(session)
    assert not got.redelivered


async def test_mail_granted_to_a_recv_that_is_cancelled_meanwhile_is_returned(
    broker: BrokerClient,
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    gone = broker.recv(session, wait=60)
    sending = broker.send(hello())
    gone.cancel()
    await sending
    [got] = await broker.recv(session, wait=60)
    assert (got.attempt, got.redelivered) == (1, False)


async def test_mail_granted_to_a_session_that_ends_meanwhile_goes_to_the_next(
    broker: BrokerClient,
) -> None:
    old, new = (broker.open_session("bob", NO_ORIGIN) for _ in range(2))
    lost = broker.recv(old, wait=60)
    sending = broker.send(hello())
    broker.close_session(old)
    waiting = broker.recv(new, wait=60)
    await sending
    assert await lost == ()
    [got] = await waiting
    await broker.ack(new, [got.id], got.lease)


async def test_a_cancelled_sender_has_sent_nevertheless(broker: BrokerClient) -> None:
    broker.send(hello()).cancel()
    [got] = await broker.recv(broker.open_session("bob", NO_ORIGIN), wait=60)
    assert got.body == "hello"


async def test_a_refusal_affects_no_other_request_in_the_same_batch(broker: BrokerClient) -> None:
    results = await asyncio.gather(
        broker.send(hello()),
        broker.send(hello("nobody")),
        broker.send(hello(body="\ud800")),
        broker.send(hello()),
        return_exceptions=True,
    )
    assert [isinstance(result, Exception) for result in results] == [False, True, True, False]
    assert broker.unread("bob") == 2


async def test_the_operator_reads_without_leases(broker: BrokerClient) -> None:
    sent = [await broker.send(hello("operator", text)) for text in ("one", "two")]
    unread = await broker.inbox("operator", unread_only=True)
    assert [message.body for message in unread] == ["one", "two"]
    assert await broker.mark_read("operator", [sent[0].ids[0]]) == 1
    assert [m.body for m in await broker.inbox("operator", unread_only=True)] == ["two"]
    shown = await broker.inbox("operator", 10)
    assert [message.state for message in shown] == [MessageState.ACKED, MessageState.STORED]


async def test_an_inbox_is_shown_newest_last_and_unknown_ones_are_refused(
    broker: BrokerClient,
) -> None:
    for number in range(5):
        await broker.send(hello(body=str(number)))
    assert [message.body for message in await broker.inbox("bob", 2)] == ["3", "4"]
    assert await broker.inbox("alice") == ()
    with pytest.raises(UnknownNameError, match="did you mean 'bob'"):
        await broker.inbox("bobb")


async def test_events_come_from_the_system_as_json(broker: BrokerClient) -> None:
    await broker.notify("bob", "agent_failed", {"name": "alice"})
    [got] = await broker.recv(broker.open_session("bob", NO_ORIGIN))
    assert (got.sender, got.kind, got.type) == ("system", "system", "event")
    assert json.loads(got.body) == {"event": "agent_failed", "name": "alice"}


async def test_the_alias_of_the_manager_is_an_inbox_too(broker: BrokerClient) -> None:
    broker.add_inbox("hm1nd", Kind.MANAGER)
    await broker.send(hello("manager"))
    assert broker.unread("manager") == broker.unread("hm1nd") == 1
    assert [message.inbox for message in await broker.inbox("manager")] == ["hm1nd"]


async def test_a_restart_requeues_all_leases_and_keeps_the_attempts(path: Path) -> None:
    async with Store(path) as store, local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        await broker.send(hello(body="leased"))
        await broker.send(hello(body="stored"))
        [before] = await broker.recv(broker.open_session("bob", NO_ORIGIN))
    async with Store(path) as store, local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        assert broker.counts("bob").stored == 2
        session = broker.open_session("bob", NO_ORIGIN)
        one, two = await broker.recv(session, max=8)
        assert (one.body, one.attempt, one.redelivered) == ("leased", 2, True)
        assert (two.body, two.attempt, two.redelivered) == ("stored", 1, False)
        assert one.lease != before.lease
        with pytest.raises(StaleLeaseError, match=f"now leased as {one.lease}"):
            await broker.ack(session, [one.id], before.lease)
        assert (await broker.send(hello())).id == 3


async def test_a_broker_that_stops_answers_all_requests(store: Store) -> None:
    async with local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        broker.add_inbox("carol", Kind.AGENT)
        waiting = broker.recv(broker.open_session("carol", NO_ORIGIN), wait=60)
        sending = broker.send(hello())
    assert (await sending).id == 1
    with pytest.raises(UnavailableError, match="stopping"):
        await waiting
    with pytest.raises(UnavailableError, match="stopping"):
        await broker.send(hello())


async def test_removing_an_inbox_with_purge_leaves_dead_letters(broker: BrokerClient) -> None:
    await broker.send(hello())
    await broker.remove_inbox("bob", purge=True)
    [message] = await broker.inbox("bob")
    assert (message.state, message.reason) == (MessageState.DEAD, "its inbox was purged")
    assert broker.unread("bob") == 0


async def test_a_full_inbox_is_open_again_once_mail_is_acked(store: Store) -> None:
    async with local_broker(store, Limits(inbox_messages=2)) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        results = await asyncio.gather(
            *(broker.send(hello()) for _ in range(3)), return_exceptions=True
        )
        assert [isinstance(result, InboxFullError) for result in results] == [False, False, True]
        session = broker.open_session("bob", NO_ORIGIN)
        await broker.recv(session, max=1)
        await broker.ack_turn(session)
        await broker.send(hello())


async def test_no_two_sessions_have_the_same_name_over_restarts(path: Path) -> None:
    names = set()
    for _ in range(2):
        async with Store(path) as store, local_broker(store) as broker:
            names |= {broker.open_session("bob", NO_ORIGIN).number for _ in range(2)}
    assert len(names) == 4


async def test_a_session_that_is_over_is_refused(broker: BrokerClient) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    session.close()
    for asked in (
        broker.recv(session),
        broker.ack(session, [1]),
        session.request(hello().posting()),
    ):
        with pytest.raises(NotFoundError, match="connect again"):
            await asked
