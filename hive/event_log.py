"""Event log: appends the events of the hive to the store and passes them to subscribers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import frozen

from hive.clock import Clock, rfc3339
from hive.store import EventRecord, Store, events
from hive.store.cursors import Chunk, events_after
from hive.store.events import ALL_EVENTS, EventFilter
from hive.subscribers import Subscribers
from hive.wire.enums import EventKind
from hive.wire.rows import EventRow

__all__ = ["END_EVENTS", "MAX_BUFFERED", "EventKind", "EventLog", "Listener"]

logger = logging.getLogger(__name__)

Listener = Callable[[EventRow], None]

MAX_BUFFERED = 1000
"""Most events that are buffered in memory while the store accepts no writes."""

END_EVENTS = (EventKind.ENDED, EventKind.STOPPED)
"""Events about the end of the container of an agent."""


@frozen
class _Entry:
    """An event to be written; with `retry`, it is buffered if its commit fails."""

    kind: EventKind
    name: str | None
    detail: dict[str, Any]
    at: float
    retry: bool = True


class EventLog:
    """Appends events to the store and calls listeners once they are on disk.

    While the store accepts no writes, the first `MAX_BUFFERED` events are buffered and the others
    counted: the first events of a trouble say most about it.

    Args:
        store: Store of the events.
        clock: Wall time of the events.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._subscribers: Subscribers[[EventRow]] = Subscribers("the event log")
        self._buffer: deque[_Entry] = deque()
        self._dropped = 0

    def record(
        self, kind: EventKind, name: str | None = None, **detail: Any
    ) -> asyncio.Future[int]:
        """Append an event with participant and details; return at once, with its write.

        Whoever may cause many events waits for it, so that they do not queue up in memory.
        """
        return self._append(_Entry(kind, name, _without_none(detail), self._clock.now()))

    def record_with_commit(self, kind: EventKind, name: str | None = None, **detail: Any) -> None:
        """Append an event that is only true if the next commit succeeds."""
        self._append(_Entry(kind, name, _without_none(detail), self._clock.now(), retry=False))

    def write_buffered(self) -> None:
        """Append the buffered events with their own times, then the number of dropped ones."""
        buffered, self._buffer = self._buffer, deque()
        dropped, self._dropped = self._dropped, 0
        for entry in buffered:
            self._append(entry)
        if dropped:
            self.record(EventKind.EVENTS_LOST, count=dropped)

    async def recent(self, limit: int, only: EventFilter = ALL_EVENTS) -> list[EventRow]:
        """Return up to `limit` of the newest events that fit a filter, oldest first."""
        return list(map(_row, await self._store.read(events.newest(0, limit, only))))

    async def following(
        self, limit: int, after: int, only: EventFilter = ALL_EVENTS
    ) -> list[EventRow]:
        """Return the first `limit` events with a number above `after` that fit a filter.

        Raises:
            CursorTooOldError: Retention deleted some of them.
        """
        return list(map(_row, (await self._store.read(events_after(after, limit, only))).rows))

    async def chunk(self, limit: int, after: int, only: EventFilter) -> Chunk[EventRow]:
        """Return the same, with the cursor from which to read on.

        Raises:
            CursorTooOldError: Retention deleted some of them.
        """
        found = await self._store.read(events_after(after, limit, only))
        return Chunk(list(map(_row, found.rows)), found.cursor, found.is_last)

    async def before(self, at: float) -> int:
        """Return the number of the last event before a wall time; 0 if there is none."""
        return await self._store.read(events.seq_before(at))

    async def last(self) -> int:
        """Return the number of the newest event, 0 without any."""
        return await self._store.read(events.last_seq)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on; return the function that unsubscribes it.

        The failure of one listener keeps the event from no other.
        """
        return self._subscribers.add(listener)

    def _append(self, entry: _Entry) -> asyncio.Future[int]:
        written = self._store.append_event(entry.kind.value, entry.name, entry.detail, at=entry.at)
        written.add_done_callback(partial(self._appended, entry))
        return written

    def _appended(self, entry: _Entry, written: asyncio.Future[int]) -> None:
        if written.cancelled() or written.exception() is not None:
            if entry.retry:
                self._buffer_entry(entry)
            return
        row = EventRow(
            seq=written.result(),
            at=rfc3339(entry.at),
            event=entry.kind.value,
            name=entry.name,
            detail=entry.detail,
        )
        self._subscribers.notify(row)

    def _buffer_entry(self, entry: _Entry) -> None:
        what = (entry.kind.value, entry.name, entry.detail)
        logger.warning("an event could not be stored at once: %s %s %s", *what)
        if len(self._buffer) < MAX_BUFFERED:
            self._buffer.append(entry)
        else:
            self._dropped += 1


def _without_none(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in detail.items() if value is not None}


def _row(found: EventRecord) -> EventRow:
    return EventRow(
        seq=found.seq,
        at=rfc3339(found.at),
        event=found.event,
        name=found.name,
        detail=dict(found.detail),
    )
