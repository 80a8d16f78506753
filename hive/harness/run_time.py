"""Time limits that count only the time in which this program runs.

While an agent is frozen by `estop`, the clock goes on and nothing of the agent does. A limit by the
clock would end its turn with the thaw.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from attrs import define

TICK = 1.0
"""Seconds that are counted at a time."""

FROZEN_TICKS = 2.0
"""Ticks after which a tick is late because nothing ran, and counts as one."""


@asynccontextmanager
async def run_time_limit(
    seconds: float, now: Callable[[], float] | None = None
) -> AsyncIterator[None]:
    """Cancel what is inside after so many seconds in which this program ran.

    Args:
        seconds: The time.
        now: The clock, in seconds; by default that of the loop.

    Raises:
        TimeoutError: The time is over, as from `asyncio.timeout`.
    """
    async with asyncio.timeout(None) as limit:
        loop = asyncio.get_running_loop()
        counter = _Counter(loop, now or loop.time, limit, seconds)
        counter.go_on()
        try:
            yield
        finally:
            counter.stop()


@define(eq=False)
class _Counter:
    """Counts the time and lets the limit expire.

    Attributes:
        left: Seconds that are left.
    """

    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]
    limit: asyncio.Timeout
    left: float
    _begun: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    def go_on(self) -> None:
        self._begun = self.now()
        self._timer = self.loop.call_later(min(TICK, self.left), self._count)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _count(self) -> None:
        passed = self.now() - self._begun
        self.left -= passed if passed <= FROZEN_TICKS * TICK else min(TICK, self.left)
        if self.left > 0:
            self.go_on()
        else:
            self.limit.reschedule(self.loop.time())  # that is, at once
