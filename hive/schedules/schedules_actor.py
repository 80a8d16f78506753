"""The actor of the schedules: it has their timer."""

from __future__ import annotations

from collections.abc import Callable

from actors import Actor, ExitReason
from hive.errors import HiveError
from hive.participants.participant import Participant
from hive.participants.registry import Registry
from hive.schedules.schedule_service import Schedules

LOOK = "look"

RETRY_SECONDS = 5.0
"""Seconds until the next attempt while the store takes no writes."""


class SchedulesActor(Actor[str]):
    """Sends what is due, in time; and looks again when a participant is removed.

    Args:
        schedules: The schedules.
        registry: The participants.
    """

    def __init__(self, schedules: Schedules, registry: Registry) -> None:
        self._schedules = schedules
        self._registry = registry
        self._unsubscribe: Callable[[], None] | None = None

    async def on_start(self) -> None:
        """Read the schedules, and send what has become due since the last daemon."""
        ref = self.context.ref
        await self._schedules.open(lambda: ref.tell(LOOK))

        def changed(participant: Participant) -> None:
            name = participant.name
            if name not in self._registry and self._schedules.is_recipient(name):
                ref.tell(LOOK)

        self._unsubscribe = self._registry.subscribe(changed)
        self.receive(LOOK)

    def receive(self, message: str) -> None:
        """Look in a task at what is due."""
        del message
        self.context.create_task(self._look(), name="schedules")

    def on_stop(self, reason: ExitReason) -> None:
        """Look no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    async def _look(self) -> None:
        delay = RETRY_SECONDS
        try:
            await self._schedules.send_due()
            delay = self._schedules.delay()
        except HiveError:
            pass  # the store reports its trouble itself
        self.context.start_timer(delay, LOOK, key=LOOK)
