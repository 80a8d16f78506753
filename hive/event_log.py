"""The hive's diary: what happened, in order, durable, and told at once to whoever listens."""

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

__all__ = ["END_EVENTS", "KEPT", "EventKind", "EventLog", "Listener"]

logger = logging.getLogger(__name__)

Listener = Callable[[EventRow], None]

KEPT = 1000
"""Most events that wait in memory for a store that takes no writes."""

END_EVENTS = (EventKind.ENDED, EventKind.STOPPED)
"""What tells of the end of an agent's container."""


@frozen
class _Entry:
    """An event on its way to the disk; `lasts` if it is true whatever becomes of a commit."""

    kind: EventKind
    name: str | None
    detail: dict[str, Any]
    at: float
    lasts: bool = True


class EventLog:
    """Appends events to the store and tells listeners once they are on disk.

    Events that happen while the store takes no writes wait in memory, the first of them, and
    the others are counted: how a trouble began says more than how it went on.

    Args:
        store: Keeps the events.
        clock: Says when they happened.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._listeners: list[Listener] = []
        self._kept: deque[_Entry] = deque()
        self._lost = 0

    def record(self, kind: EventKind, name: str | None = None, **detail: Any) -> None:
        """Write an event down, with participant and details; returns at once."""
        self._append(_Entry(kind, name, _known(detail), self._clock.now()))

    def record_with_commit(self, kind: EventKind, name: str | None = None, **detail: Any) -> None:
        """Write down what is only so if the commit that is gathering succeeds."""
        self._append(_Entry(kind, name, _known(detail), self._clock.now(), lasts=False))

    def catch_up(self) -> None:
        """Write down what has waited for the store, with the times at which it happened."""
        kept, self._kept = self._kept, deque()
        lost, self._lost = self._lost, 0
        for entry in kept:
            self._append(entry)
        if lost:
            self.record(EventKind.EVENTS_LOST, count=lost)

    async def recent(self, limit: int) -> list[EventRow]:
        """Return up to `limit` of the newest events, oldest first."""
        return list(map(_row, await self._store.events(0, limit)))

    async def following(self, limit: int, after: int) -> list[EventRow]:
        """Return the first `limit` events with a number above `after`.

        Raises:
            CursorTooOldError: Some of them have gone by age.
        """
        page = await self._store.read(events_after(after, limit))
        return list(map(_row, page.rows))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _append(self, entry: _Entry) -> None:
        written = self._store.append_event(entry.kind.value, entry.name, entry.detail, at=entry.at)
        written.add_done_callback(partial(self._appended, entry))

    def _appended(self, entry: _Entry, written: asyncio.Future[int]) -> None:
        if written.cancelled() or written.exception() is not None:
            if entry.lasts:
                self._keep(entry)
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

    def _keep(self, entry: _Entry) -> None:
        what = (entry.kind.value, entry.name, entry.detail)
        logger.warning("an event could not be stored at once: %s %s %s", *what)
        if len(self._kept) < KEPT:
            self._kept.append(entry)
        else:
            self._lost += 1


def _known(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in detail.items() if value is not None}


def _row(found: EventRecord) -> EventRow:
    return EventRow(
        seq=found.seq,
        at=rfc3339(found.at),
        event=found.event,
        name=found.name,
        detail=dict(found.detail),
    )
