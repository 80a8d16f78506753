"""Writing at the end of a turn of the loop, so that the answers of one turn leave together."""

from __future__ import annotations

import asyncio
from typing import Protocol

from attrs import define, field


class Flushed(Protocol):
    """Whatever has something to write."""

    def flush(self) -> None:
        """Write it."""
        ...


@define(eq=False)
class Flusher:
    """Flushes all connections that have answers in one callback, not in one for each."""

    _waiting: list[Flushed] = field(factory=list, init=False)

    def add(self, connection: Flushed) -> None:
        """Flush a connection when everything that happens at this moment has happened."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(connection)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.flush()
