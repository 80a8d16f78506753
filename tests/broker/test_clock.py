"""A wall clock that jumps delays nothing and ends nothing before its time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import define

from actors.testing import advance
from hive.broker.local_session import LocalSession
from hive.clock import LoopClock
from hive.config import Limits
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store
from hive.wire.agent import Ask, Remind
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


JUMPS = pytest.mark.parametrize("ahead", [-3600.0, 400 * DAY, -3000 * DAY])


@JUMPS
async def test_deferred_mail_comes_in_time_whatever_the_clock_does(
    broker: BrokerClient, wall: SettableClock, ahead: float
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await send(broker, "later")
    [held] = await broker.recv(session)
    await broker.nack(session, held.id, NackMode.DEFER, delay=60.0)
    wall.ahead = ahead
    await advance(59.0)
    assert await broker.recv(session) == ()
    waiting = asyncio.ensure_future(broker.recv(session, wait=100.0))
    await advance(1.0)
    [again] = await waiting
    assert (again.id, again.attempt) == (held.id, 1)


@JUMPS
async def test_a_failed_message_comes_again_after_its_delay(
    broker: BrokerClient, wall: SettableClock, ahead: float
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await send(broker, "again")
    [held] = await broker.recv(session)
    await broker.nack(session, held.id, NackMode.FAIL)
    wall.ahead = ahead
    await advance(2.0)
    [again] = await broker.recv(session)
    assert (again.id, again.attempt) == (held.id, 2)


@JUMPS
async def test_a_delayed_message_and_a_reminder_come_in_time(
    broker: BrokerClient, wall: SettableClock, ahead: float
) -> None:
    session = LocalSession(broker.service, "bob", Kind.AGENT)
    await session.send("bob", "delayed", delay_seconds=600.0)
    await session.request(Remind(message="remind me", delay_seconds=600.0))
    wall.ahead = ahead
    await advance(599.0)
    assert await session.recv(max=8) == []
    await advance(1.0)
    assert [each.body for each in await session.recv(max=8)] == ["delayed", "remind me"]


async def test_a_reminder_at_a_time_of_the_clock_follows_the_clock(
    broker: BrokerClient, wall: SettableClock
) -> None:
    session = LocalSession(broker.service, "bob", Kind.AGENT)
    at = wall.now() + 7200.0
    await session.request(Remind(message="at the hour", at_unix_timestamp=at))
    wall.ahead = 3600.0
    await advance(3599.0)
    assert await session.recv() == []
    await advance(61.0)
    assert [each.body for each in await session.recv()] == ["at the hour"]


@JUMPS
async def test_a_dedupe_key_counts_for_its_window(
    broker: BrokerClient, wall: SettableClock, ahead: float
) -> None:
    sender, window = LocalSession(broker.service, "alice", Kind.AGENT), Limits().dedupe_window
    first = await sender.send("bob", "once", dedupe_key="key")
    wall.ahead = ahead
    await advance(window - 1.0)
    assert (await sender.send("bob", "again", dedupe_key="key")).id == first.id
    await advance(2.0)
    assert (await sender.send("bob", "anew", dedupe_key="key")).id != first.id


@JUMPS
async def test_a_message_expires_after_its_time_to_live_and_not_before(
    broker: BrokerClient, wall: SettableClock, ahead: float
) -> None:
    sender = LocalSession(broker.service, "alice", Kind.AGENT)
    receiver = LocalSession(broker.service, "bob", Kind.AGENT)
    for body in ("in time", "too late"):
        await sender.send("bob", body, ttl_seconds=3600.0)
    wall.ahead = ahead
    await advance(3599.0)
    [got] = await receiver.recv()
    assert got.body == "in time"
    await advance(1.0)
    assert await receiver.recv() == []
    wall.ahead = 0.0
    await receiver.nack(got.id)
    await advance(100.0)
    assert await receiver.recv() == [], "its time was over while it was leased"


@JUMPS
async def test_a_question_is_overdue_after_its_time(
    broker: BrokerClient, wall: SettableClock, ahead: float
) -> None:
    broker.add_inbox("alice", Kind.AGENT)
    asker = LocalSession(broker.service, "alice", Kind.AGENT)
    await asker.request(Ask(question="go?", to="bob", ttl_seconds=600.0))
    wall.ahead = ahead
    await advance(599.0)
    assert await asker.recv() == []
    await advance(1.0)
    assert [each.body for each in await asker.recv()] == ["[expired]"]


# What an earlier daemon has stored: only its wall times are known


@pytest.mark.parametrize("wrong", [-3600.0, 400 * DAY])
async def test_a_clock_that_jumps_after_the_start_delays_and_expires_nothing_that_was_stored(
    path: Path, wall: SettableClock, wrong: float
) -> None:
    await _store_both(path, wall)
    async with _opened(path, wall) as session:
        wall.ahead = wrong
        await advance(600.0)
        got = {each.body for each in await session.recv(max=8)}
        assert got == {"expires in 3600", "delayed"}


async def test_a_clock_that_was_wrong_at_the_start_harms_nothing_once_it_is_right(
    path: Path, wall: SettableClock
) -> None:
    await _store_both(path, wall)
    wall.ahead = -3000 * DAY
    async with _opened(path, wall) as session:
        await advance(600.0)
        assert [each.body for each in await session.recv(max=8)] == ["expires in 3600"]
        wall.ahead = 0.0
        await advance(60.0)
        assert [each.body for each in await session.recv(max=8)] == ["delayed"]


async def _store_both(path: Path, wall: SettableClock) -> None:
    async with _opened(path, wall) as session:
        await session.send("bob", "delayed", delay_seconds=600.0)
        await session.send("bob", "expires in 3600", ttl_seconds=3600.0)


@asynccontextmanager
async def _opened(path: Path, wall: SettableClock) -> AsyncIterator[LocalSession]:
    store = Store(path, InlineEngine(), clock=wall)
    async with store, local_broker(store, clock=wall) as opened:
        opened.add_inbox("bob", Kind.AGENT)
        yield LocalSession(opened.service, "bob", Kind.AGENT)
