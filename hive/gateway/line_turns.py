"""Turns of lines: how many lines of one participant are handled in one turn of the loop.

A client may write thousands of requests at once, on many connections. Those over the share of its
participant stay in the backlogs of their connections and are handled in the next turns of the loop,
one connection after the other. Between two turns, the loop serves everybody else.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from attrs import define, field

LINES_PER_TURN = 64
"""Lines of one participant that are handled in one turn of the loop."""

TURN_PAUSE = 0.002
"""Seconds after a turn in which a participant has spent its share, before its next one.

The loop sleeps then, unless others need it. Without a pause, the writer's thread would wait for the
interpreter at each statement, and a commit would take a hundred times as long.
"""

LINE_UNIT = 4096
"""Bytes of a line that count as one more line: to decode them takes as long."""

REFUSAL_LINES = 8
"""Lines that a refusal counts as: to find the nearest valid word takes as long."""


class Waiting(Protocol):
    """A connection with a backlog."""

    def handle_backlog(self) -> None:
        """Handle lines of the backlog; wait again if some are left."""
        ...


@define(eq=False)
class LineTurns:
    """The share of one participant in a turn of the loop.

    A single line that comes alone is not counted, unless it is long: the loop reads from a
    connection only once in a turn. It waits like any other when the share is spent.

    Attributes:
        left: Lines that may still be handled in this turn; negative when more was spent.
    """

    _loop: asyncio.AbstractEventLoop
    left: int = field(default=LINES_PER_TURN, init=False)
    _waiting: dict[Waiting, None] = field(factory=dict, init=False)
    _is_scheduled: bool = field(default=False, init=False)

    def spend(self, size: int) -> None:
        """Count a line of this many bytes."""
        self._spend(1 + size // LINE_UNIT)

    def spend_on_refusal(self) -> None:
        """Count the refusal of a request, besides its line."""
        self._spend(REFUSAL_LINES)

    def spend_on_ids(self, count: int) -> None:
        """Count ids that were looked up for nothing: each takes as long as a line."""
        self._spend(count)

    def _spend(self, lines: int) -> None:
        self.left -= lines
        self._schedule()

    def wait(self, connection: Waiting) -> None:
        """Handle the backlog of a connection after those that wait already. Idempotent."""
        self._waiting[connection] = None
        self._schedule()

    def leave(self, connection: Waiting) -> None:
        """Remove a connection that has ended."""
        self._waiting.pop(connection, None)

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Begin a turn: handle the backlogs, one after the other, until the share is spent.

        What was spent beyond the share of a turn is paid for by the next ones.
        """
        self.left = min(self.left, 0) + LINES_PER_TURN
        while self._waiting and self.left > 0:
            connection = next(iter(self._waiting))
            del self._waiting[connection]
            connection.handle_backlog()
        if self._waiting or self.left <= 0:
            self._loop.call_later(TURN_PAUSE, self._begin)
        elif self.left < LINES_PER_TURN:
            self._loop.call_soon(self._begin)
        else:
            self._is_scheduled = False
