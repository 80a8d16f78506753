"""Events are followed without gap and repeat, also those that happen during the first read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from attrs import define, field

from actors.testing import settle
from hive.event_log import EventLog, Listener
from hive.gateway.dispatch import Fields
from hive.gateway.streams import event_stream
from hive.wire.rows import EventRow

pytestmark = pytest.mark.sim


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

    async def recent(self, limit: int) -> list[EventRow]:
        return await self._read(lambda rows: rows[-limit:])

    async def following(self, limit: int, after: int) -> list[EventRow]:
        return await self._read(lambda rows: [row for row in rows if row.seq > after][:limit])

    async def _read(self, choose: Callable[[list[EventRow]], list[EventRow]]) -> list[EventRow]:
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

    def push(fields: Fields) -> None:
        pushed.extend(row.seq for row in fields["events"])

    stream = event_stream(cast("EventLog", actor_events), limit, start)
    running = asyncio.ensure_future(stream.run(push))
    await settle()
    actor_events.happen()
    await settle()
    running.cancel()
    await asyncio.wait([running])
    everything = [row.seq for row in actor_events.written if row.seq > start]
    skipped = 0 if start else max(0, 5 + before - limit)
    assert pushed == [seq for seq in everything if seq > skipped]
    assert actor_events._listeners == []
