"""Wall time as a parameter, so that time stamps follow the virtual clock of a simulation.

Deadlines (leases, back-off, long polls) use the loop's monotonic `time()`. Wall time is only for
people and for times that must survive a restart.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from attrs import frozen

MINUTE = 60.0
"""Seconds of a minute, the period of rates."""


class Clock(Protocol):
    """Source of wall time."""

    def now(self) -> float:
        """Return seconds since 1970-01-01T00:00Z."""
        ...


class SystemClock:
    """The clock of the operating system."""

    now = staticmethod(time.time)  # no call in between: it is read for every request


@frozen
class LoopClock:
    """Wall time derived from the time of a loop, for simulations."""

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
def _second(seconds: int) -> str:
    """Return date and time without fraction; cached, since mail of one second shares it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")
