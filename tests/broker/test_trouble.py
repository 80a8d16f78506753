"""When a commit fails: nobody is told a lie, and memory is what the disk says."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.testing import advance, settle
from hive.broker.notices import Notice
from hive.broker.service import RETRY_SECONDS, BrokerService
from hive.clock import LoopClock
from hive.config import Limits
from hive.errors import StaleLeaseError, UnavailableError, UnknownNameError
from hive.store import (
    NO_ORIGIN,
    InlineEngine,
    Kind,
    Store,
    StoreClosedError,
    StoreFullError,
)
from hive.store.writer import PROBE_SECONDS
from hive.wire import host
from tests.broker.faults import Faults
from tests.broker.post import Draft, Router, local_router

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
async def router(store: Store) -> AsyncIterator[Router]:
    async with local_router(store) as opened:
        opened.add_inbox("bob", Kind.AGENT)
        yield opened


async def test_everyone_who_waits_is_told(router: Router, faults: Faults) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    await router.send(hello())
    [held] = await router.recv(session)
    parked = router.recv(session, wait=60)
    faults.full = True
    waiting = [router.send(hello()), router.ack(session, [held.id]), parked]
    for future in waiting:
        with pytest.raises(StoreFullError, match="make room"):
            await future


async def test_who_comes_during_the_trouble_hears_why_and_since_when(
    router: Router, faults: Faults
) -> None:
    faults.full = True
    with pytest.raises(StoreFullError):
        await router.send(hello())
    await advance(10 * PROBE_SECONDS)
    with pytest.raises(UnavailableError, match=r"^nothing is stored since .*Z: .*make room"):
        await router.send(hello())


async def test_an_ack_is_not_answered_ok_by_a_recv_whose_commit_failed(
    router: Router, faults: Faults
) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    await router.send(hello())
    [held] = await router.recv(session)
    faults.full = True
    with pytest.raises(StoreFullError):
        await router.recv(session, ack=[held.id])


async def test_a_recv_that_waits_is_refused_if_its_ack_failed_and_others_wait_on(
    router: Router, faults: Faults
) -> None:
    session, bystander = (router.open_session("bob", NO_ORIGIN) for _ in range(2))
    await router.send(hello())
    [held] = await router.recv(session)
    faults.full = True
    acking, waiting = router.recv(session, ack=[held.id], wait=60), router.recv(bystander, wait=60)
    with pytest.raises(StoreFullError):
        await acking
    faults.full = False
    await advance(PROBE_SECONDS)
    assert router.counts("bob").leased == 1
    assert not waiting.done()
    await router.ack(session, [held.id])
    await router.send(hello("next"))
    assert [got.body for got in await waiting] == ["next"]


async def test_a_queue_whose_beginning_failed_is_not_there(router: Router, faults: Faults) -> None:
    to_queue = host.OperatorSend(to="queue:jobs", body="x")
    faults.full = True
    with pytest.raises(StoreFullError):
        await router.ask_operator(to_queue)
    faults.full = False
    await advance(PROBE_SECONDS)
    with pytest.raises(UnknownNameError):
        await router.send(Draft("alice", Kind.AGENT, "queue:jobs", "y"))
    await router.ask_operator(to_queue)
    [got] = await router.recv(router.open_session("bob", NO_ORIGIN), queue="jobs")
    assert got.body == "x"


async def test_mail_that_was_never_handed_over_is_not_held_after_the_trouble(
    router: Router, store: Store, faults: Faults
) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    await router.send(hello())
    faults.full = True
    with pytest.raises(StoreFullError):
        await router.recv(session)
    faults.full = False
    await advance(PROBE_SECONDS)
    assert router.counts("bob").leased == 0
    [got] = await router.recv(session)
    assert (got.attempt, got.redelivered) == (1, False)


async def test_memory_becomes_what_the_disk_has(router: Router, faults: Faults) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    await router.send(hello("kept"))
    faults.full = True
    with pytest.raises(StoreFullError):
        await router.send(hello("lost"))
    faults.full = False
    await advance(PROBE_SECONDS)
    assert router.unread("bob") == 1
    await router.send(hello("later"))
    assert [got.body for got in await router.recv(session, max=8)] == ["kept", "later"]


async def test_a_lease_outlives_the_trouble(router: Router, faults: Faults) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    await router.send(hello())
    [held] = await router.recv(session)
    faults.full = True
    with pytest.raises(StoreFullError):
        await router.ack(session, [held.id])
    faults.full = False
    await advance(PROBE_SECONDS)
    assert router.counts("bob").leased == 1
    await router.ack(session, [held.id], held.lease)
    assert router.unread("bob") == 0


async def test_who_is_parked_stays_parked_and_is_served_after_the_trouble(
    router: Router, faults: Faults
) -> None:
    bystander = router.recv(router.open_session("bob", NO_ORIGIN), wait=60)
    router.add_inbox("carol", Kind.AGENT)
    faults.full = True
    with pytest.raises(StoreFullError):
        await router.send(Draft("alice", Kind.AGENT, "carol", "lost"))
    faults.full = False
    await advance(PROBE_SECONDS)
    await router.send(hello("found"))
    assert [got.body for got in await bystander] == ["found"]


async def test_requests_are_refused_while_the_mail_is_read_again(
    router: Router, store: Store, faults: Faults, monkeypatch: pytest.MonkeyPatch
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
        await router.send(hello())
    faults.full = False
    await advance(PROBE_SECONDS)
    with pytest.raises(UnavailableError, match="being read again"):
        await router.send(hello())
    session = router.open_session("bob", NO_ORIGIN)
    readable = True
    await advance(RETRY_SECONDS + PROBE_SECONDS)
    await router.send(hello())
    assert len(await router.recv(session)) == 1


async def test_a_disk_that_stays_full_is_lived_with(router: Router, faults: Faults) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    await router.send(hello("kept"))
    [held] = await router.recv(session)
    faults.full = True
    with pytest.raises(StoreFullError):
        await router.send(hello("lost"))
    await settle()
    before = faults.statements
    await advance(2 * Limits().lease_seconds)
    trials = 2 * Limits().lease_seconds / PROBE_SECONDS
    assert faults.statements - before < 5 * trials, "only the trials reach the disk"
    assert router.unread("bob") == 1, "what is shown is what the disk has"
    assert [each.body for each in await router.inbox("bob")] == ["kept"]
    with pytest.raises(UnavailableError, match="disk is full"):
        await router.send(hello("refused"))
    faults.full = False
    await advance(PROBE_SECONDS)
    await router.send(hello("later"))
    got = await router.recv(router.open_session("bob", NO_ORIGIN), max=8)
    assert "later" in [each.body for each in got]
    assert held.body not in [each.body for each in got if not each.redelivered]


async def test_a_session_that_ends_during_the_trouble_gives_its_mail_back(
    router: Router, faults: Faults
) -> None:
    old, new = (router.open_session("bob", NO_ORIGIN) for _ in range(2))
    await router.send(hello())
    [held] = await router.recv(old)
    waiting = router.recv(new, wait=60)
    faults.full = True
    failing = router.send(hello())
    await asyncio.wait([failing])
    router.close_session(old)
    faults.full = False
    assert isinstance(failing.exception(), StoreFullError)
    with pytest.raises(UnavailableError):
        await waiting
    await advance(PROBE_SECONDS)
    [got] = await router.recv(new)
    assert (got.id, got.attempt, got.redelivered) == (held.id, 2, True)
    with pytest.raises(StaleLeaseError):
        await router.ack(new, [held.id], held.lease)


def intruder(connection: sqlite3.Connection) -> None:
    """Store a message behind the broker's back."""
    connection.execute("INSERT INTO sessions (id, name, kind) VALUES (77, 'x', 'agent')")
    connection.execute("INSERT INTO inboxes VALUES (1, 'bob')")
    connection.execute(
        "INSERT INTO mail (id, inbox, sender, size, state, body) "
        "VALUES (1, 1, 77, 8, 0, 'intruder')"
    )


async def test_a_bug_in_what_is_written_is_reported_and_survived(
    router: Router, store: Store, faults: Faults
) -> None:
    reported: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    await store.write(intruder)
    with pytest.raises(UnavailableError, match="IntegrityError"):
        await router.send(hello("second"))
    await settle()
    await router.send(hello("third"))
    got = await router.recv(router.open_session("bob", NO_ORIGIN), max=8)
    assert [delivery.body for delivery in got] == ["intruder", "third"]
    assert len(reported) == 1
    assert "IntegrityError" in repr(reported[0]["exception"])


async def test_a_store_that_closes_first_is_reported_and_not_waited_for(path: Path) -> None:
    store = Store(path, InlineEngine())
    await store.open()
    async with local_router(store) as router:
        router.add_inbox("bob", Kind.AGENT)
        await store.close()
        with pytest.raises(StoreClosedError):
            await router.send(hello())


async def test_a_broker_on_a_full_disk_starts_shows_and_takes_up_when_there_is_room(
    path: Path, faults: Faults
) -> None:
    async with Store(path, InlineEngine()) as store, local_router(store) as router:
        router.add_inbox("bob", Kind.AGENT)
        await router.send(hello("kept"))
        before = router.open_session("bob", NO_ORIGIN)
    faults.full = True
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store, local_router(store) as router:
        router.add_inbox("bob", Kind.AGENT)
        session = router.open_session("bob", NO_ORIGIN)
        assert session != before
        assert router.unread("bob") == 1
        assert [each.body for each in await router.inbox("bob")] == ["kept"]
        for refused in (router.send(hello("refused")), router.recv(session)):
            with pytest.raises(UnavailableError, match="disk is full"):
                await refused
        faults.full = False
        await advance(PROBE_SECONDS)
        await router.send(hello("later"))
        assert [got.body for got in await router.recv(session, max=8)] == ["kept", "later"]


async def test_a_notice_of_a_dead_letter_is_not_made_of_what_the_disk_has_not(
    path: Path, faults: Faults
) -> None:
    told: list[Notice] = []
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store:
        clock = LoopClock(asyncio.get_running_loop())
        service = BrokerService(store, Limits(max_attempts=1), clock, told.append)
        await service.open()
        router = Router(service, store)
        for name in ("alice", "bob"):
            router.add_inbox(name, Kind.AGENT)
        session = router.open_session("bob", NO_ORIGIN)
        await router.send(hello())
        await router.recv(session)
        faults.full = True
        with pytest.raises(StoreFullError):
            await router.send(hello())
        session.close()
        await settle()
        assert told == []
        faults.full = False
        await advance(PROBE_SECONDS)
        assert router.unread("alice") == 0
        await service.close()
