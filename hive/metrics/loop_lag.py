"""The lag of the event loop: how late a timer is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

from hive.histogram import Histogram

PERIOD = 1.0
"""Seconds between two measurements; each costs the loop some microseconds."""


@define(eq=False)
class LoopLag:
    """Measures the lag of the running loop, while `measure` lasts.

    Attributes:
        seconds: The lags that were measured.
    """

    seconds: Histogram
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Measure until the end of the block."""
        self._set(asyncio.get_running_loop())
        try:
            yield
        finally:
            assert self._timer is not None
            self._timer.cancel()

    def _set(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + PERIOD
        self._timer = loop.call_at(due, self._measure, loop, due)

    def _measure(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.seconds.observe(max(0.0, loop.time() - due))
        self._set(loop)
