"""The time that counts for a deadline, whatever happens to the wall clock meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import frozen

from hive.clock import Clock


@frozen
class _Known:
    """Since when a deadline is known, on both clocks, and whether an earlier daemon set it."""

    wall: float
    loop: float
    is_restored: bool


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class DeadlineClock:
    """Says for each object with a deadline how late it is, in wall seconds.

    A deadline of this life of the daemon runs on the loop's clock. One of an earlier daemon is over
    when both clocks say so: the wall clock may have been wrong when it was read, or be wrong now.

    Args:
        clock: Wall time.
        monotonic: Returns monotonic seconds; by default, those of the running loop.
    """

    def __init__(self, clock: Clock, monotonic: Callable[[], float] = _loop_time) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._known: dict[int, _Known] = {}

    def learn(self, number: int, *, is_restored: bool = False) -> None:
        """Begin to measure the time of an object."""
        self._known[number] = _Known(self._clock.now(), self._monotonic(), is_restored)

    def forget(self, number: int) -> None:
        """End it."""
        self._known.pop(number, None)

    def delay(self, number: int, deadline: float) -> float:
        """Return the seconds until the deadline of an object is over, unless a clock is set."""
        return max(0.0, deadline - self.now(number))

    def now(self, number: int) -> float:
        """Return the present time with which the deadline of an object is to be compared."""
        wall, known = self._clock.now(), self._known.get(number)
        if known is None:
            return wall
        steady = known.wall + self._monotonic() - known.loop
        return min(steady, wall) if known.is_restored else steady
