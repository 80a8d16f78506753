"""The store as an actor: the first to start and the last to stop."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Never

from actors import Actor, ExitReason
from hive.clock import rfc3339
from hive.event_log import EventKind, EventLog
from hive.store import Store
from hive.store.health import Health, Trouble

logger = logging.getLogger(__name__)


class StoreActor(Actor[Never]):
    """Keeps the store open for as long as it lives.

    Args:
        store: What is opened.
        opened: Called after each opening, before anything else starts.
    """

    def __init__(self, store: Store, opened: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._opened = opened

    async def on_start(self) -> None:
        """Open the store and read from it what the others need to start."""
        await self._store.open()
        try:
            await self._opened()
        except BaseException:
            await self._store.close()
            raise

    async def on_stop(self, reason: ExitReason) -> None:
        """Commit what waits and close the file."""
        await self._store.close()

    def receive(self, message: Never) -> None:
        """Nothing is ever sent to this actor."""


def report_trouble(health: Health, events: EventLog) -> None:
    """Log when the store stops to take writes, and put that into the diary.

    The diary keeps what happens meanwhile in memory; it is written when the trouble is over.
    """

    def note(before: Trouble | None, now: Trouble | None) -> None:
        if now is not None:
            logger.error("nothing can be stored: %s", now.error)
            events.record(EventKind.STORE_FAILED, what=str(now.error), since=rfc3339(now.since))
        elif before is not None:
            events.write_buffered()
            events.record(EventKind.STORE_RECOVERED, failed_since=rfc3339(before.since))

    health.subscribe(note)
