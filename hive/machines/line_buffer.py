"""Lines kept in memory, for agents that have no log file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

KEPT_LINES = 1000
"""How many lines are kept; older ones are forgotten."""


class LineBuffer:
    """The newest lines of one agent, and those who wait for more."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._total = 0
        self._more = asyncio.Event()

    def append(self, lines: Iterable[str]) -> None:
        """Add lines and wake who follows."""
        new = tuple(lines)
        self._lines.extend(new)
        self._total += len(new)
        self._more.set()
        self._more = asyncio.Event()

    def newest(self, lines: int) -> tuple[str, ...]:
        """Return at most so many of the newest lines, oldest first."""
        return tuple(self._lines)[-lines:] if lines > 0 else ()

    async def follow(self, lines: int) -> AsyncIterator[str]:
        """Yield the newest lines and then each new one."""
        seen = self._total - min(lines, len(self._lines))
        while True:
            more = self._more
            new = self.newest(self._total - seen)
            seen = self._total
            for line in new:
                yield line
            await more.wait()
