"""A wall clock that jumps changes when deferred messages are due, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import define

from actors.testing import advance
from hive.clock import LoopClock
from hive.config import Limits
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store
from hive.wire.enums import NackMode
from tests.broker.client import BrokerClient, Draft, local_broker

pytestmark = pytest.mark.sim

DAY = 86400.0


@define
class SettableClock:
    """A wall clock that the test sets."""

    steady: LoopClock
    ahead: float = 0.0

    def now(self) -> float:
        return self.steady.now() + self.ahead


@pytest.fixture
async def wall() -> SettableClock:
    return SettableClock(LoopClock(asyncio.get_running_loop()))


@pytest.fixture
async def broker(path: Path, wall: SettableClock) -> AsyncIterator[BrokerClient]:
    store = Store(path, InlineEngine(), clock=wall)
    async with store, local_broker(store, clock=wall) as opened:
        opened.add_inbox("bob", Kind.AGENT)
        yield opened


async def send(broker: BrokerClient, body: str) -> None:
    await broker.send(Draft("alice", Kind.AGENT, "bob", body))


async def test_order_is_the_order_of_sends_whatever_the_clock_says(
    broker: BrokerClient, wall: SettableClock
) -> None:
    for number, ahead in enumerate((0.0, -1000 * DAY, 1000 * DAY, -DAY, 0.0)):
        wall.ahead = ahead
        await send(broker, str(number))
    got = await broker.recv(broker.open_session("bob", NO_ORIGIN), max=8)
    assert [each.body for each in got] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("ahead", [1000 * DAY, -1000 * DAY])
async def test_a_lease_lasts_as_long_as_it_lasts(
    broker: BrokerClient, wall: SettableClock, ahead: float
) -> None:
    session, other = (broker.open_session("bob", NO_ORIGIN) for _ in range(2))
    await send(broker, "held")
    [held] = await broker.recv(session)
    wall.ahead = ahead
    await advance(Limits().lease_seconds - 1)
    assert await broker.recv(other) == ()
    await advance(2)
    [again] = await broker.recv(other)
    assert (again.id, again.attempt, again.redelivered) == (held.id, 2, True)


async def test_deferred_mail_comes_when_the_clock_jumps_past_its_time(
    broker: BrokerClient, wall: SettableClock
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await send(broker, "later")
    [held] = await broker.recv(session)
    await broker.nack(session, held.id, NackMode.DEFER, delay=3600.0)
    waiting = broker.recv(session, wait=170.0)
    wall.ahead = 2 * 3600.0
    [again] = await waiting
    assert (again.id, again.attempt) == (held.id, 1)


async def test_deferred_mail_waits_on_when_the_clock_jumps_back(
    broker: BrokerClient, wall: SettableClock
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await send(broker, "later")
    [held] = await broker.recv(session)
    await broker.nack(session, held.id, NackMode.DEFER, delay=60.0)
    wall.ahead = -300.0
    await advance(120.0)
    assert await broker.recv(session) == ()
    await advance(300.0)
    [again] = await broker.recv(session)
    assert again.id == held.id
