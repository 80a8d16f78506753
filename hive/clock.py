"""Wall-clock time as a parameter, so that a simulated hour is an hour on every time stamp too.

Deadlines (leases, back-off, long polls) use the loop's monotonic `time()`. Wall time is only for
what people read and for times that must survive a restart.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from attrs import frozen

MINUTE = 60.0
"""Seconds of a minute, over which rates are counted."""


class Clock(Protocol):
    """Tells the wall time in seconds since 1970-01-01T00:00Z."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        ...


class SystemClock:
    """The machine's own clock."""

    now = staticmethod(time.time)  # the clock is read for every request


@frozen
class LoopClock:
    """A clock that follows the loop, for simulations: it stands still unless the loop moves it."""

    loop: asyncio.AbstractEventLoop
    epoch: float = 1_700_000_000.0

    def now(self) -> float:
        """Return the epoch plus the loop's time."""
        return self.epoch + self.loop.time()


def rfc3339(seconds: float) -> str:
    """Return a wall time as RFC 3339 in UTC with milliseconds, as the wire and the CLI show it."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03d}Z"


@lru_cache(maxsize=64)
def _second(whole: int) -> str:
    """Return the part of a time that all mail of one second shares."""
    return datetime.fromtimestamp(whole, UTC).isoformat().removesuffix("+00:00")
