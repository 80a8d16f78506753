"""Wall time as a parameter, so that time stamps follow the virtual clock of a simulation.

Deadlines (leases, back-off, long polls) use the loop's monotonic `time()`. Wall time is only for
people and for times that must survive a restart.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Protocol

from attrs import frozen

MINUTE, DAY = 60.0, 86_400.0
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


LOCALTIME = "/etc/localtime"
"""Link to the time zone of this machine; see localtime(5)."""


@cache
def host_timezone(link: str = LOCALTIME) -> str:
    """Return the IANA name of the time zone of this machine; UTC if it has none.

    Reads the disk once per process.
    """
    _, _, name = os.path.realpath(link).partition("/zoneinfo/")
    return name or "UTC"


def rfc3339(seconds: float) -> str:
    """Return a wall time as RFC 3339 in UTC with milliseconds, as the wire and the CLI show it."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Return date and time without fraction; cached for mail of one second, and status rows."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


def in_words(seconds: float) -> str:
    """Return a duration in its largest unit, rounded down: `12 min`, `1 day`."""
    whole = max(0, int(seconds))
    for size, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if whole >= size:
            count = whole // size
            return f"{count} {unit}" + ("s" if unit == "day" and count > 1 else "")
    return f"{whole} s"
