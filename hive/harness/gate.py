"""The gate before every turn: it is shut while the agent is paused, limited, or must recover."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from attrs import define, field, frozen

from hive.clock import Clock
from hive.harness.drivers import reason_text
from hive.harness.reporting import Reporter
from hive.wire.enums import ActivityState

T = TypeVar("T")

LONGEST_SLEEP = 60.0
"""Seconds: the wall clock may be set at any time, so it is looked at this often."""


@frozen
class HoldOff:
    """Why no turn begins.

    Attributes:
        state: What the agent is said to be meanwhile.
        reason: Why, in words.
        until: Unix time; None until something happens.
    """

    state: ActivityState
    reason: str = field(converter=reason_text)
    until: float | None = None


PAUSED = HoldOff(ActivityState.PAUSED, "paused by the operator")


@define(eq=False)
class Gate:
    """Decides whether a turn may begin.

    What the hive orders and what the agent's own turns led to are kept apart: neither opens what
    the other has shut.
    """

    clock: Clock
    _reasons: dict[str, HoldOff] = field(factory=dict, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    def shut(self, who: str, reason: HoldOff) -> None:
        """Begin no turn for a reason, which replaces the one that `who` had before."""
        self._reasons[who] = reason
        self._changed.set()

    def open(self, who: str) -> None:
        """Take back what `who` said."""
        self._reasons.pop(who, None)
        self._changed.set()

    def standing(self) -> HoldOff | None:
        """Return what keeps the gate shut now, the longest first; None if it is open."""
        now = self.clock.now()
        shut = [each for each in self._reasons.values() if each.until is None or each.until > now]
        return max(shut, key=_end, default=None)

    async def passage(self, reporter: Reporter) -> None:
        """Wait until a turn may begin, and say meanwhile why none does."""
        shut = False
        while (reason := self.standing()) is not None:
            shut = True
            reporter.state(reason.state, reason.reason, reason.until)
            await self.changed()
        if shut:
            reporter.state(ActivityState.IDLE)

    async def changed(self) -> None:
        """Wait until the gate may have been opened or shut."""
        standing = self.standing()
        wait = LONGEST_SLEEP
        if standing is not None and standing.until is not None:
            wait = min(wait, max(0.0, standing.until - self.clock.now()))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait if standing is not None else None):
                await self._changed.wait()
        self._changed.clear()

    async def while_open(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the outcome of some waiting; it is cancelled, for None, if the gate is shut."""
        waiting = asyncio.create_task(work)
        shutting = asyncio.create_task(self._until_shut())
        try:
            await asyncio.wait([waiting, shutting], return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()
            shutting.cancel()
            await asyncio.wait([waiting, shutting])

    async def _until_shut(self) -> None:
        while self.standing() is None:
            await self.changed()


def _end(reason: HoldOff) -> float:
    return float("inf") if reason.until is None else reason.until
