"""The hive's diary: what happened, in order, durable, and told at once to whoever listens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any

from hive.clock import Clock, rfc3339
from hive.store import EventRecord, Store
from hive.store.cursors import events_after
from hive.wire.rows import EventRow

logger = logging.getLogger(__name__)

Listener = Callable[[EventRow], None]


class EventKind(StrEnum):
    """Everything that the diary can hold."""

    DAEMON_STARTED = "daemon_started"
    DAEMON_STOPPING = "daemon_stopping"
    SPAWNED = "spawned"
    STARTED = "started"
    ADOPTED = "adopted"
    ENDED = "ended"
    REBOOTED = "rebooted"
    EXTERNAL_RESTART = "external_restart"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"
    DESTROYED = "destroyed"
    PAUSED = "paused"
    RESUMED = "resumed"
    PEER_REGISTERED = "peer_registered"
    PEER_UNREGISTERED = "peer_unregistered"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    STRAY = "stray"
    TROUBLE = "trouble"
    DEAD_LETTER = "dead_letter"
    EXPIRED = "expired"
    LOOP_TRIPPED = "loop_tripped"
    LOOP_RESET = "loop_reset"
    STORE_FAILED = "store_failed"
    STORE_RECOVERED = "store_recovered"


END_EVENTS = (EventKind.ENDED, EventKind.STOPPED)
"""What tells of the end of an agent's container."""


class EventLog:
    """Appends events to the store and tells listeners once they are on disk.

    Args:
        store: Keeps the events.
        clock: Stamps what listeners are told.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._listeners: list[Listener] = []

    def record(self, kind: EventKind, name: str | None = None, **detail: Any) -> None:
        """Write an event down, with participant and details; returns at once."""
        known = {key: value for key, value in detail.items() if value is not None}
        at = self._clock.now()
        written = self._store.append_event(kind.value, name, known)
        written.add_done_callback(partial(self._tell, kind, name, known, at))

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

    def _tell(
        self,
        kind: EventKind,
        name: str | None,
        detail: dict[str, Any],
        at: float,
        written: asyncio.Future[int],
    ) -> None:
        if written.cancelled() or written.exception() is not None:
            logger.warning("an event could not be stored: %s %s %s", kind.value, name, detail)
            return
        row = EventRow(
            seq=written.result(), at=rfc3339(at), event=kind.value, name=name, detail=detail
        )
        for listener in tuple(self._listeners):
            listener(row)


def _row(found: EventRecord) -> EventRow:
    return EventRow(
        seq=found.seq,
        at=rfc3339(found.at),
        event=found.event,
        name=found.name,
        detail=dict(found.detail),
    )
