"""The actors of the store: one opens and closes it, one maintains it meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Never

from actors import Actor, ExitReason
from hive.clock import Clock, rfc3339
from hive.config import Retention
from hive.event_log import EventKind, EventLog
from hive.store import Store, StoreError
from hive.store.disk_reserve import DiskReserve, Shortage
from hive.store.health import Health, Trouble
from hive.store.retention import apply_retention
from hive.store.search import update_index

logger = logging.getLogger(__name__)

FIRST_DELAY = 60.0
"""Seconds from the start to the first maintenance, so that it delays no start."""

PERIOD = 600.0
"""Seconds between two maintenances."""

RUN = "run"


class StoreActor(Actor[Never]):
    """Opens the store when it starts and closes it when it ends: first to start, last to stop.

    Args:
        store: The store.
        opened: Called after each opening, before other actors start.
    """

    def __init__(self, store: Store, opened: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._opened = opened

    async def on_start(self) -> None:
        """Open the store and call `opened`."""
        await self._store.open()
        try:
            await self._opened()
        except BaseException:
            await self._store.close()
            raise

    async def on_stop(self, reason: ExitReason) -> None:
        """Commit pending writes and close the file."""
        await self._store.close()

    def receive(self, message: Never) -> None:
        """Never called: this actor receives no messages."""


def report_trouble(health: Health, events: EventLog) -> None:
    """Log and record when the store refuses writes, and when it takes them again.

    Events of the time between are in the event log's memory and are written afterwards.
    """

    def record(before: Trouble | None, now: Trouble | None) -> None:
        if now is not None:
            logger.error("nothing can be stored: %s", now.error)
            events.record(EventKind.STORE_FAILED, what=str(now.error), since=rfc3339(now.since))
        elif before is not None:
            events.write_buffered()
            events.record(EventKind.STORE_RECOVERED, failed_since=rfc3339(before.since))

    health.subscribe(record)


def report_shortage(reserve: DiskReserve, events: EventLog) -> None:
    """Log and record when the disk has less than its reserve left, and when it has it again."""

    def record(shortage: Shortage | None) -> None:
        if shortage is not None:
            logger.error("participants can store nothing: %s", shortage)
            events.record(EventKind.DISK_SHORT, free=shortage.free, reserve=shortage.reserve)
        else:
            events.record(EventKind.DISK_RECOVERED)

    reserve.subscribe(record)


class Maintenance(Actor[str]):
    """Deletes what is past its retention and updates the search index, every `PERIOD` seconds.

    Args:
        store: An open store.
        retention: Returns how long ended rows stay.
        clock: Wall time.
        sessions: Returns the numbers of the sessions that are open.
        then: Removes what the store no longer has a row of.
    """

    def __init__(
        self,
        store: Store,
        retention: Callable[[], Retention],
        clock: Clock,
        sessions: Callable[[], Collection[int]] = tuple,
        then: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock
        self._sessions = sessions
        self._then = then
        self._started = 0.0

    def on_start(self) -> None:
        """Start the timer of the first maintenance."""
        self._started = self._clock.now() - self.context.loop_time()
        self.context.start_timer(FIRST_DELAY, RUN)

    def receive(self, message: str) -> None:
        """Begin a maintenance in a task."""
        del message
        self.context.create_task(self._maintain(), name="maintenance")

    async def _maintain(self) -> None:
        try:
            await apply_retention(self._store, self._retention(), self._now(), self._sessions)
            if self._then is not None:
                await self._then()
            await update_index(self._store)
        except StoreError:
            pass  # the store reports its trouble itself; the next maintenance tries again
        self.context.start_timer(PERIOD, RUN)

    def _now(self) -> float:
        """Return the wall time, at most that of the start plus the loop's time since.

        A clock that jumps by a year must not make everything a year old.
        """
        return min(self._clock.now(), self._started + self.context.loop_time())
