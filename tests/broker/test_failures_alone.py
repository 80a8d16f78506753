"""A commit that fails alone takes along the decisions that build on it, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.testing import advance, settle
from hive.broker.effects import Grant
from hive.broker.local_session import LocalSession
from hive.broker.service import ACK_SECONDS, BrokerService
from hive.clock import LoopClock
from hive.config import Limits
from hive.errors import UnavailableError
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store
from hive.store.errors import StoreLogMissingError
from hive.store.writer import Write
from hive.wire import agent
from tests.broker.client import BrokerClient, Draft, local_broker
from tests.broker.faults import Faults

pytestmark = pytest.mark.sim

POISON = "poison"


def mail(body: str, to: str = "bob", sender: str = "alice") -> Draft:
    return Draft(sender, Kind.AGENT, to, body)


@pytest.fixture
def faults() -> Faults:
    faults = Faults()
    faults.poison = POISON
    return faults


@pytest.fixture
async def store(path: Path, faults: Faults) -> AsyncIterator[Store]:
    async with Store(path, InlineEngine(faults.connection_class())) as opened:
        yield opened


@pytest.fixture
async def broker(store: Store) -> AsyncIterator[BrokerClient]:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
    async with local_broker(store) as opened:
        for name in ("alice", "bob", "carol", "dave"):
            opened.add_inbox(name, Kind.AGENT)
        yield opened


async def in_flight(asked: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """Wait until the commit of a request has begun; it has not ended."""
    await asyncio.sleep(0)
    assert not asked.done()
    return asked


async def bodies(broker: BrokerClient, name: str) -> list[str | None]:
    return [message.body for message in await broker.inbox(name)]


async def test_what_was_decided_behind_it_is_refused_and_not_written(broker: BrokerClient) -> None:
    failing = await in_flight(broker.send(mail(POISON, to="carol")))
    behind = broker.send(mail("behind", to="carol"))
    for refused in (failing, behind):
        with pytest.raises(UnavailableError):
            await refused
    await advance(1)
    await broker.send(mail("for dave", to="dave"))
    await broker.send(mail("for carol", to="carol"))
    assert await bodies(broker, "dave") == ["for dave"]
    assert await bodies(broker, "carol") == ["for carol"]


async def test_a_nack_behind_it_leaves_disk_and_memory_consistent(broker: BrokerClient) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(mail("kept"))
    [held] = await broker.recv(session)
    failing = await in_flight(broker.send(mail(POISON)))
    behind = broker.nack(session, held.id, delay=0)
    for refused in (failing, behind):
        with pytest.raises(UnavailableError):
            await refused
    await advance(1)
    [message] = await broker.inbox("bob")
    assert (message.state.value, broker.counts("bob").leased) == ("leased", 1)
    await broker.ack(session, [held.id])


async def test_a_commit_after_it_is_written_once(broker: BrokerClient) -> None:
    failing = await in_flight(broker.send(mail(POISON)))
    behind = broker.send(mail("behind"))
    await asyncio.wait([failing, behind])
    await advance(1)
    await asyncio.gather(*(broker.send(mail(str(number))) for number in range(5)))
    assert await bodies(broker, "bob") == ["0", "1", "2", "3", "4"]


async def test_a_commit_that_is_queued_behind_it_finds_nothing_and_takes_nothing(
    broker: BrokerClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(mail("acked"))
    [held] = await broker.recv(session)
    queued: list[Write] = []
    monkeypatch.setattr(store, "queue", queued.append)
    first = broker.send(mail("first"))
    queued[0].collect()
    second = broker.send(mail("second"))
    queued[0].failed(RuntimeError("its own fault"))
    await asyncio.wait([first, second])
    await advance(1)
    waiting = broker.recv(session, ack=[held.id], wait=60)
    for place in (1, 2):
        queued[place].committed(await store.write(queued[place].collect()))
        await advance(ACK_SECONDS)
    assert [message.state.value for message in await broker.inbox("bob")] == ["acked"]
    waiting.cancel()


async def test_mail_of_a_commit_that_failed_and_is_on_disk_all_the_same_goes_back_uncounted(
    broker: BrokerClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(mail("kept"))
    with monkeypatch.context() as patch:
        queued: list[Write] = []
        patch.setattr(store, "queue", queued.append)
        asked = broker.recv(session)
        await store.write(queued[0].collect())
        queued[0].failed(StoreLogMissingError("the log is gone"))
    with pytest.raises(StoreLogMissingError):
        await asked
    await advance(1)
    assert broker.counts("bob").leased == 0
    [got] = await broker.recv(session)
    assert (got.body, got.attempt) == ("kept", 1)


async def test_a_lookup_on_disk_that_fails_affects_no_other_request(
    broker: BrokerClient, faults: Faults
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    faults.poison = 4711
    failing = broker.ack(session, [4711])
    beside = broker.send(mail("beside"))
    with pytest.raises(Exception, match="poison"):
        await failing
    await beside
    assert await bodies(broker, "bob") == ["beside"]


async def test_a_bug_while_mail_is_handed_over_leaves_no_request_unanswered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes: list[Exception] = []
    service = BrokerService(store, Limits(), LoopClock(asyncio.get_running_loop()))
    await service.open(crashes.append)
    broker = BrokerClient(service, store)
    for name in ("alice", "bob"):
        broker.add_inbox(name, Kind.AGENT)

    def fail(grant: Grant, bodies: object) -> list[Any]:
        raise RuntimeError("a bug")

    sessions = [broker.open_session("bob", NO_ORIGIN) for _ in range(2)]
    monkeypatch.setattr(Grant, "rows", fail)
    asked = [
        sessions[0].request(agent.Recv(wait_seconds=60)),
        broker.send(mail("1")),
        broker.send(mail("2")),
        broker.recv(sessions[1]),
        broker.send(mail("3")),
    ]
    await settle()
    assert all(isinstance(each.exception(), UnavailableError) for each in asked)
    assert [str(crash) for crash in crashes] == ["a bug"]
    await service.close()


async def test_mail_that_cannot_be_handed_over_at_the_end_uses_no_attempt(store: Store) -> None:
    async with local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        await broker.send(mail("kept"))
        session = LocalSession(broker.service, "bob", Kind.AGENT)
        session.request(agent.Recv()).cancel()
    async with local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        [got] = await broker.recv(broker.open_session("bob", NO_ORIGIN))
        assert (got.attempt, got.redelivered) == (1, False)
