"""When a commit fails: no answer is wrong, and memory is replaced by the state on disk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.testing import advance, settle
from hive.broker.effects import Notice
from hive.broker.service import RETRY_SECONDS, BrokerService
from hive.clock import LoopClock
from hive.config import Limits
from hive.errors import StaleLeaseError, UnavailableError, UnknownNameError
from hive.store import (
    NO_ORIGIN,
    InlineEngine,
    Kind,
    Step,
    Store,
    StoreClosedError,
    StoreFullError,
)
from hive.store.writer import PROBE_SECONDS
from hive.wire import host
from tests.broker.client import BrokerClient, Draft, local_broker
from tests.broker.faults import Faults

pytestmark = pytest.mark.sim


def hello(body: str = "hello") -> Draft:
    return Draft("alice", Kind.AGENT, "bob", body)


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
        opened.add_inbox("bob", Kind.AGENT)
        yield opened


async def test_every_pending_request_is_refused(broker: BrokerClient, faults: Faults) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(hello())
    [held] = await broker.recv(session)
    parked = broker.recv(session, wait=60)
    faults.full = True
    waiting = [broker.send(hello()), broker.ack(session, [held.id]), parked]
    for future in waiting:
        with pytest.raises(StoreFullError, match="make room"):
            await future


async def test_requests_during_the_trouble_are_refused_with_reason_and_time(
    broker: BrokerClient, faults: Faults
) -> None:
    faults.full = True
    with pytest.raises(StoreFullError):
        await broker.send(hello())
    await advance(10 * PROBE_SECONDS)
    with pytest.raises(UnavailableError, match=r"^nothing is stored since .*Z: .*make room"):
        await broker.send(hello())


async def test_an_ack_is_not_answered_ok_by_a_recv_whose_commit_failed(
    broker: BrokerClient, faults: Faults
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(hello())
    [held] = await broker.recv(session)
    faults.full = True
    with pytest.raises(StoreFullError):
        await broker.recv(session, ack=[held.id])


async def test_a_recv_that_waits_is_refused_if_its_ack_failed_and_others_wait_on(
    broker: BrokerClient, faults: Faults
) -> None:
    session, bystander = (broker.open_session("bob", NO_ORIGIN) for _ in range(2))
    await broker.send(hello())
    [held] = await broker.recv(session)
    faults.full = True
    acking, waiting = broker.recv(session, ack=[held.id], wait=60), broker.recv(bystander, wait=60)
    with pytest.raises(StoreFullError):
        await acking
    faults.full = False
    await advance(PROBE_SECONDS)
    assert broker.counts("bob").leased == 1
    assert not waiting.done()
    await broker.ack(session, [held.id])
    await broker.send(hello("next"))
    assert [got.body for got in await waiting] == ["next"]


async def test_a_queue_whose_beginning_failed_is_not_there(
    broker: BrokerClient, faults: Faults
) -> None:
    to_queue = host.OperatorSend(to="queue:jobs", body="x")
    faults.full = True
    with pytest.raises(StoreFullError):
        await broker.ask_operator(to_queue)
    faults.full = False
    await advance(PROBE_SECONDS)
    with pytest.raises(UnknownNameError):
        await broker.send(Draft("alice", Kind.AGENT, "queue:jobs", "y"))
    await broker.ask_operator(to_queue)
    [got] = await broker.recv(broker.open_session("bob", NO_ORIGIN), queue="jobs")
    assert got.body == "x"


async def test_mail_that_was_never_handed_over_is_not_held_after_the_trouble(
    broker: BrokerClient, store: Store, faults: Faults
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(hello())
    faults.full = True
    with pytest.raises(StoreFullError):
        await broker.recv(session)
    faults.full = False
    await advance(PROBE_SECONDS)
    assert broker.counts("bob").leased == 0
    [got] = await broker.recv(session)
    assert (got.attempt, got.redelivered) == (1, False)


async def test_memory_becomes_what_the_disk_has(broker: BrokerClient, faults: Faults) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(hello("kept"))
    faults.full = True
    with pytest.raises(StoreFullError):
        await broker.send(hello("lost"))
    faults.full = False
    await advance(PROBE_SECONDS)
    assert broker.unread("bob") == 1
    await broker.send(hello("later"))
    assert [got.body for got in await broker.recv(session, max=8)] == ["kept", "later"]


async def test_a_lease_outlives_the_trouble(broker: BrokerClient, faults: Faults) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(hello())
    [held] = await broker.recv(session)
    faults.full = True
    with pytest.raises(StoreFullError):
        await broker.ack(session, [held.id])
    faults.full = False
    await advance(PROBE_SECONDS)
    assert broker.counts("bob").leased == 1
    await broker.ack(session, [held.id], held.lease)
    assert broker.unread("bob") == 0


async def test_a_parked_receiver_stays_parked_and_is_served_after_the_trouble(
    broker: BrokerClient, faults: Faults
) -> None:
    bystander = broker.recv(broker.open_session("bob", NO_ORIGIN), wait=60)
    broker.add_inbox("carol", Kind.AGENT)
    faults.full = True
    with pytest.raises(StoreFullError):
        await broker.send(Draft("alice", Kind.AGENT, "carol", "lost"))
    faults.full = False
    await advance(PROBE_SECONDS)
    await broker.send(hello("found"))
    assert [got.body for got in await bystander] == ["found"]


async def test_requests_are_refused_while_the_mail_is_read_again(
    broker: BrokerClient, store: Store, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable = False
    read = store.read

    async def unreliable(query: object) -> object:
        if not readable:
            raise StoreFullError("not now")
        return await read(query)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "read", unreliable)
    faults.full = True
    with pytest.raises(StoreFullError):
        await broker.send(hello())
    faults.full = False
    await advance(PROBE_SECONDS)
    with pytest.raises(UnavailableError, match="being read again"):
        await broker.send(hello())
    session = broker.open_session("bob", NO_ORIGIN)
    readable = True
    await advance(RETRY_SECONDS + PROBE_SECONDS)
    await broker.send(hello())
    assert len(await broker.recv(session)) == 1


async def test_requests_are_refused_while_the_disk_stays_full(
    broker: BrokerClient, faults: Faults
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(hello("kept"))
    [held] = await broker.recv(session)
    faults.full = True
    with pytest.raises(StoreFullError):
        await broker.send(hello("lost"))
    await settle()
    before = faults.statements
    await advance(2 * Limits().lease_seconds)
    trials = 2 * Limits().lease_seconds / PROBE_SECONDS
    assert faults.statements - before < 5 * trials, "only the trials reach the disk"
    assert broker.unread("bob") == 1, "what is shown is what the disk has"
    assert [each.body for each in await broker.inbox("bob")] == ["kept"]
    with pytest.raises(UnavailableError, match="disk is full"):
        await broker.send(hello("refused"))
    faults.full = False
    await advance(PROBE_SECONDS)
    await broker.send(hello("later"))
    got = await broker.recv(broker.open_session("bob", NO_ORIGIN), max=8)
    assert "later" in [each.body for each in got]
    assert held.body not in [each.body for each in got if not each.redelivered]


async def test_a_session_that_ends_during_the_trouble_returns_its_mail(
    broker: BrokerClient, faults: Faults
) -> None:
    old, new = (broker.open_session("bob", NO_ORIGIN) for _ in range(2))
    await broker.send(hello())
    [held] = await broker.recv(old)
    waiting = broker.recv(new, wait=60)
    faults.full = True
    failing = broker.send(hello())
    await asyncio.wait([failing])
    broker.close_session(old)
    faults.full = False
    assert isinstance(failing.exception(), StoreFullError)
    with pytest.raises(UnavailableError):
        await waiting
    await advance(PROBE_SECONDS)
    [got] = await broker.recv(new)
    assert (got.id, got.attempt, got.redelivered) == (held.id, 2, True)
    with pytest.raises(StaleLeaseError):
        await broker.ack(new, [held.id], held.lease)
    _, steps = await broker.trace(held.id)
    [returned] = [each for each in steps if each.step is Step.RETURNED]
    assert returned.reason == "the session that held it ended"


def intruder(connection: sqlite3.Connection) -> None:
    """Store a message without the broker."""
    connection.execute("INSERT INTO sessions (id, name, kind) VALUES (77, 'x', 'agent')")
    connection.execute("INSERT INTO inboxes VALUES (1, 'bob')")
    connection.execute(
        "INSERT INTO mail (id, inbox, sender, size, state, body) "
        "VALUES (1, 1, 77, 8, 0, 'intruder')"
    )


async def test_a_bug_in_what_is_written_is_reported_and_survived(
    broker: BrokerClient, store: Store, faults: Faults
) -> None:
    reported: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    await store.write(intruder)
    with pytest.raises(UnavailableError, match="IntegrityError"):
        await broker.send(hello("second"))
    await settle()
    await broker.send(hello("third"))
    got = await broker.recv(broker.open_session("bob", NO_ORIGIN), max=8)
    assert [delivery.body for delivery in got] == ["intruder", "third"]
    assert len(reported) == 1
    assert "IntegrityError" in repr(reported[0]["exception"])


async def test_a_store_that_closes_first_is_reported_and_not_waited_for(path: Path) -> None:
    store = Store(path, InlineEngine())
    await store.open()
    async with local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        await store.close()
        with pytest.raises(StoreClosedError):
            await broker.send(hello())


async def test_a_broker_on_a_full_disk_starts_and_serves_when_there_is_room(
    path: Path, faults: Faults
) -> None:
    async with Store(path, InlineEngine()) as store, local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        await broker.send(hello("kept"))
        before = broker.open_session("bob", NO_ORIGIN)
    faults.full = True
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store, local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        session = broker.open_session("bob", NO_ORIGIN)
        assert session != before
        assert broker.unread("bob") == 1
        assert [each.body for each in await broker.inbox("bob")] == ["kept"]
        for refused in (broker.send(hello("refused")), broker.recv(session)):
            with pytest.raises(UnavailableError, match="disk is full"):
                await refused
        faults.full = False
        await advance(PROBE_SECONDS)
        await broker.send(hello("later"))
        assert [got.body for got in await broker.recv(session, max=8)] == ["kept", "later"]


async def test_a_dead_letter_that_was_not_committed_causes_no_notice(
    path: Path, faults: Faults
) -> None:
    published: list[Notice] = []
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store:
        clock = LoopClock(asyncio.get_running_loop())
        service = BrokerService(store, Limits(max_attempts=1), clock, published.append)
        await service.open()
        broker = BrokerClient(service, store)
        for name in ("alice", "bob"):
            broker.add_inbox(name, Kind.AGENT)
        session = broker.open_session("bob", NO_ORIGIN)
        await broker.send(hello())
        await broker.recv(session)
        faults.full = True
        with pytest.raises(StoreFullError):
            await broker.send(hello())
        session.close()
        await settle()
        assert published == []
        faults.full = False
        await advance(PROBE_SECONDS)
        assert broker.unread("alice") == 0
        await service.close()
