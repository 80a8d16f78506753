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
from hive.store import EventRecord, Store
from hive.store.cursors import events_after
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
        self._listeners: list[Listener] = []
        self._buffer: deque[_Entry] = deque()
        self._dropped = 0

    def record(self, kind: EventKind, name: str | None = None, **detail: Any) -> None:
        """Append an event with participant and details; return at once."""
        self._append(_Entry(kind, name, _without_none(detail), self._clock.now()))

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

    async def recent(self, limit: int) -> list[EventRow]:
        """Return up to `limit` of the newest events, oldest first."""
        return list(map(_row, await self._store.events(0, limit)))

    async def following(self, limit: int, after: int) -> list[EventRow]:
        """Return the first `limit` events with a number above `after`.

        Raises:
            CursorTooOldError: Retention deleted some of them.
        """
        chunk = await self._store.read(events_after(after, limit))
        return list(map(_row, chunk.rows))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on; return the function that unsubscribes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _append(self, entry: _Entry) -> None:
        written = self._store.append_event(entry.kind.value, entry.name, entry.detail, at=entry.at)
        written.add_done_callback(partial(self._appended, entry))

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
        for listener in tuple(self._listeners):
            listener(row)

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
