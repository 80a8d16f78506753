"""Streams: without gap or repeat, or with a word about the gap, however slowly a client reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from attrs import define, field

from actors.testing import settle
from hive.event_log import EventLog, Listener
from hive.gateway.dispatch import Fields, Stream
from hive.gateway.streams import (
    event_stream,
    live_stream,
    log_stream,
    mail_stream,
    status_stream,
)
from hive.machines.function import KEPT_LINES, RecentLines
from hive.participants.registry import Registry
from hive.participants.turn_feed import MAX_EVENTS, TurnEvent, TurnFeed
from hive.status.snapshot import Snapshot
from hive.store import InlineEngine, Store
from hive.store.cursors import Chunk
from hive.store.events import EventFilter
from hive.store.listing import CHUNK_BYTES
from hive.wire.enums import LiveKind
from hive.wire.rows import EventRow, StatusRow
from tests.store.rows import message, storing

pytestmark = pytest.mark.sim

T = TypeVar("T")


@define(eq=False)
class ActorEvents:
    """An event log that gets an event during its first read."""

    written: list[EventRow] = field(factory=list)
    before_reading: int = 0
    after_reading: int = 0
    _listeners: list[Listener] = field(factory=list)

    def happen(self, times: int = 1) -> None:
        for _ in range(times):
            self.written.append(EventRow(seq=len(self.written) + 1, at="", event="started"))
            for listener in self._listeners:
                listener(self.written[-1])

    async def last(self) -> int:
        return await self._read(lambda rows: rows[-1].seq if rows else 0)

    async def recent(self, limit: int, _: EventFilter) -> list[EventRow]:
        return await self._read(lambda rows: rows[-limit:])

    async def chunk(self, limit: int, after: int, _: EventFilter) -> Chunk[EventRow]:
        rows = await self._read(lambda rows: [row for row in rows if row.seq > after])
        is_last = len(rows) < limit
        cursor = max([after, *(row.seq for row in rows[:limit])])
        return Chunk(rows[:limit], cursor, is_last)

    async def _read(self, choose: Callable[[list[EventRow]], T]) -> T:
        await asyncio.sleep(0)
        self.happen(self.before_reading)
        read = choose(self.written)
        await asyncio.sleep(0)
        self.happen(self.after_reading)
        self.before_reading = self.after_reading = 0
        return read

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize(("limit", "start"), [(100, 0), (2, 0), (100, 3), (100, 50)])
async def test_each_event_is_pushed_once_in_order(
    before: int, after: int, limit: int, start: int
) -> None:
    actor_events = ActorEvents(before_reading=before, after_reading=after)
    actor_events.happen(5)
    pushed: list[int] = []

    async def push(fields: Fields) -> None:
        pushed.extend(row.seq for row in fields["events"])

    stream = event_stream(cast("EventLog", actor_events), limit, start or None)
    running = asyncio.ensure_future(stream.run(push))
    await settle()
    actor_events.happen()
    await settle()
    running.cancel()
    await asyncio.wait([running])
    everything = [row.seq for row in actor_events.written if row.seq > start]
    skipped = 0 if start else max(0, 5 + before + after - limit)
    assert pushed == [seq for seq in everything if seq > skipped]
    assert actor_events._listeners == []


@define(eq=False)
class SlowClient:
    """A client that takes one response for each call of `read`."""

    taken: list[Fields] = field(factory=list)
    _room: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(0))

    async def push(self, fields: Fields) -> None:
        self.taken.append(fields)
        await self._room.acquire()

    async def read(self, count: int = 1) -> None:
        for _ in range(count):
            self._room.release()
        for _ in range(20):
            await settle()

    def of(self, name: str) -> list[Any]:
        return [row for fields in self.taken for row in fields[name]]


@asynccontextmanager
async def streaming(stream: Stream) -> AsyncIterator[SlowClient]:
    client = SlowClient()
    running = asyncio.ensure_future(stream.run(client.push))
    await settle()
    try:
        yield client
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.parametrize("limit", [0, 1, 5])
async def test_events_wait_in_the_store_for_a_slow_client(limit: int) -> None:
    actor_events = ActorEvents()
    actor_events.happen(3)
    async with streaming(event_stream(cast("EventLog", actor_events), limit, None)) as client:
        for _ in range(100):
            actor_events.happen(10)
            await settle()
        assert len(client.taken) == 1
        await client.read(2000)
        expected = range(4 - min(limit, 3), 1004)
        assert [row.seq for row in client.of("events")] == [*expected]


async def test_live_events_that_a_slow_client_misses_are_counted() -> None:
    feed = TurnFeed()
    feed.add(TurnEvent(1.0, LiveKind.TEXT, "0"))
    async with streaming(live_stream(feed, 5, FixedClock())) as client:
        for number in range(1, MAX_EVENTS + 11):
            feed.add(TurnEvent(1.0, LiveKind.TEXT, str(number)))
        await client.read(1000)
        first, gap, *rest = client.of("live")
        assert first.text == "0"
        assert (gap.kind, gap.text.partition(":")[0]) == ("skipped", "10 events skipped")
        assert [row.text for row in rest] == [str(each) for each in range(11, MAX_EVENTS + 11)]
        feed.add(TurnEvent(1.0, LiveKind.TEXT, "next"))
        await client.read()
        assert client.of("live")[-1].text == "next"


async def test_several_changes_of_a_participant_are_one_row_for_a_slow_client() -> None:
    registry = Changes()
    stream = status_stream(cast("Registry", registry), cast("Snapshot", registry))
    async with streaming(stream) as client:
        for number in range(100):
            for name in ("alice", "bob"):
                registry.change(name, number)
            await settle()
        await client.read(10)
        rows = [(row.name, row.unread) for row in client.of("agent_statuses")]
        assert sorted(rows[1:])[-2:] == [("alice", 99), ("bob", 99)]
        assert len(rows) <= 4


async def test_one_that_changes_all_the_time_does_not_keep_the_others_from_a_slow_client() -> None:
    registry = Changes()
    stream = status_stream(cast("Registry", registry), cast("Snapshot", registry))
    async with streaming(stream) as client:
        registry.change("alice", 0)
        await settle()
        registry.change("bob", 1)
        for number in range(1, 6):
            registry.change("alice", number)
            await client.read()
        assert "bob" in [row.name for row in client.of("agent_statuses")]


async def test_a_status_that_did_not_change_is_not_pushed_again() -> None:
    registry = Changes()
    stream = status_stream(cast("Registry", registry), cast("Snapshot", registry))
    async with streaming(stream) as client:
        await client.read(20)
        for number in (1, 1, 2, 2, 1):
            registry.change("alice", number)
            await settle()
        assert registry.reads == 5
        assert [row.unread for row in client.of("agent_statuses")] == [1, 2, 1]


async def test_a_participant_of_the_same_name_is_pushed_anew() -> None:
    registry = Changes()
    stream = status_stream(cast("Registry", registry), cast("Snapshot", registry))
    async with streaming(stream) as client:
        await client.read(20)
        registry.change("alice", 1)
        await settle()
        registry.leave("alice")
        await settle()
        registry.change("alice", 1)
        await settle()
        assert [row.name for row in client.of("agent_statuses")] == ["alice", "alice"]


async def test_lines_that_a_slow_client_misses_are_counted() -> None:
    lines = RecentLines()
    lines.append(["first"], 1.0)
    async with streaming(log_stream(lines.follow(1))) as client:
        for number in range(KEPT_LINES + 7):
            lines.append([str(number)], 2.0)
        await client.read(KEPT_LINES * 2)
        first, gap, *rest = client.of("lines")
        assert (first, gap.partition(":")[0]) == ("first", "[hive] 7 lines skipped")
        assert rest == [str(number) for number in range(7, KEPT_LINES + 7)]


@pytest.mark.parametrize("is_followed", [True, False])
async def test_mail_waits_in_the_store_and_comes_in_small_chunks(
    tmp_path: Path, is_followed: bool
) -> None:
    body = "x" * 60_000
    async with Store(tmp_path / "hive.sqlite", InlineEngine()) as store:
        for _ in range(3):
            await store.write(storing(*[message(body=body, inbox="bob") for _ in range(10)]))
        stream = mail_stream(store, "bob", 30 if is_followed else 1, 0)
        async with streaming(stream) as client:
            for _ in range(3):
                await store.write(storing(*[message(body=body, inbox="bob") for _ in range(10)]))
                await settle()
            assert len(client.taken) == 1
            await client.read(100)
            sizes = [len(fields["messages"]) * len(body) for fields in client.taken]
            assert max(sizes) <= CHUNK_BYTES
            ids = [row.id for row in client.of("messages")]
            assert ids == [*range(1 if is_followed else 30, 61)]
            cursors = [fields["cursor"] for fields in client.taken]
            assert cursors == sorted(cursors)
            assert cursors[-1] == 60


class FixedClock:
    """A clock that stands still."""

    def now(self) -> float:
        return 0.0


class Changes:
    """A registry of two participants, whose rows differ in the number of unread messages."""

    def __init__(self) -> None:
        self.number = {"alice": -1, "bob": -1}
        self.listeners: list[Callable[[Any], None]] = []
        self.reads = 0

    def __contains__(self, name: str) -> bool:
        return name in self.number

    def subscribe(self, listener: Callable[[Any], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def change(self, name: str, number: int) -> None:
        self.number[name] = number
        for listener in self.listeners:
            listener(SimpleNamespace(name=name))

    def leave(self, name: str) -> None:
        del self.number[name]
        for listener in self.listeners:
            listener(SimpleNamespace(name=name))

    async def row(self, participant: Any) -> StatusRow:
        self.reads += 1
        return StatusRow(
            name=participant.name,
            running=True,
            failed=False,
            needs_update=False,
            needs_login=False,
            kind="agent",
            state="running",
            unread=self.number[participant.name],
            last_seen=f"read {self.reads}",
        )
