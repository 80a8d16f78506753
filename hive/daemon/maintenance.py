"""Upkeep of the store while the hive runs: what is too old goes, what is new becomes searchable."""

from __future__ import annotations

from collections.abc import Callable, Collection

from actors import Actor
from hive.clock import Clock
from hive.config import Retention
from hive.store import Store, StoreError
from hive.store.retention import apply_retention
from hive.store.search import update_index

FIRST_LOOK = 60.0
"""Seconds after the start: whoever starts has better things to do first."""

PERIOD = 600.0
"""Seconds between two rounds."""

LOOK = "look"


class Maintenance(Actor[str]):
    """Goes round from time to time. Trouble of the store is the store's to report; it goes on.

    Args:
        store: An open store.
        retention: What is kept how long.
        clock: Wall time.
        sessions: Returns the numbers of the sessions that are open.
    """

    def __init__(
        self,
        store: Store,
        retention: Retention,
        clock: Clock,
        sessions: Callable[[], Collection[int]] = tuple,
    ) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock
        self._sessions = sessions
        self._started = 0.0

    def on_start(self) -> None:
        """Note the time, and plan the first round."""
        self._started = self._clock.now() - self.context.loop_time()
        self.context.start_timer(FIRST_LOOK, LOOK)

    def receive(self, message: str) -> None:
        """Begin a round beside everything else."""
        del message
        self.context.create_task(self._go_round(), name="housekeeping")

    async def _go_round(self) -> None:
        try:
            await apply_retention(self._store, self._retention, self._now(), self._sessions)
            await update_index(self._store)
        except StoreError:
            pass  # the store tells of its trouble itself; the next round may have more luck
        self.context.start_timer(PERIOD, LOOK)

    def _now(self) -> float:
        """Return the wall time, or the time since the start if the clock was put ahead meanwhile.

        A clock that jumps by a year must not make everything a year old.
        """
        return min(self._clock.now(), self._started + self.context.loop_time())
