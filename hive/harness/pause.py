"""Pauses between turns: by the operator, for a usage limit, or until the agent recovers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from attrs import define, field

from hive.clock import Clock
from hive.harness.driver import HoldOff
from hive.harness.reporting import Reporter
from hive.wire.enums import ActivityState

T = TypeVar("T")

LONGEST_SLEEP = 60.0
"""Seconds between two checks of the wall clock, which may be set at any time."""


@define(eq=False)
class Pause:
    """Decides whether a turn may begin.

    Each source has its own reason: a control order does not end a pause that began with the end of
    a turn, and the reverse.
    """

    clock: Clock
    _reasons: dict[str, HoldOff] = field(factory=dict, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    def begin(self, source: str, reason: HoldOff) -> None:
        """Pause for a reason, which replaces an earlier one of this source."""
        self._reasons[source] = reason
        self._changed.set()

    def end(self, source: str) -> None:
        """Remove the reason of this source."""
        self._reasons.pop(source, None)
        self._changed.set()

    def current(self) -> HoldOff | None:
        """Return the reason that ends last; None if a turn may begin now."""
        now = self.clock.now()
        valid = [each for each in self._reasons.values() if each.until is None or each.until > now]
        return max(valid, key=_end, default=None)

    async def until_over(self, reporter: Reporter) -> None:
        """Wait until a turn may begin; report the reason meanwhile."""
        paused = False
        while (reason := self.current()) is not None:
            paused = True
            reporter.state(reason.state, reason.reason, reason.until)
            await self.changed()
        if paused:
            reporter.state(ActivityState.IDLE)

    async def changed(self) -> None:
        """Wait until the current reason may have changed."""
        reason = self.current()
        wait = LONGEST_SLEEP
        if reason is not None and reason.until is not None:
            wait = min(wait, max(0.0, reason.until - self.clock.now()))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait if reason is not None else None):
                await self._changed.wait()
        self._changed.clear()

    async def unless_paused(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of `work`; None if a pause began first, which cancels it."""
        waiting = asyncio.create_task(work)
        pausing = asyncio.create_task(self._begun())
        try:
            await asyncio.wait([waiting, pausing], return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()
            pausing.cancel()
            await asyncio.wait([waiting, pausing])

    async def _begun(self) -> None:
        while self.current() is None:
            await self.changed()


def _end(reason: HoldOff) -> float:
    return float("inf") if reason.until is None else reason.until
