"""Budgets: the bytes that the connections of one participant may make the daemon hold.

A connection holds its unfinished line, the requests that it has read but not begun, its unanswered
requests, and the answers that its client has not read. Above its own limit the connection is not
read from; above the participant's, none of its connections is. The kernel then stops the client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from attrs import define, field, frozen

from hive.errors import UnavailableError
from hive.wire.framing import TooLong

logger = logging.getLogger(__name__)

CONNECTION_BYTES = 8 << 20
"""Bytes that one connection may hold."""

PARTICIPANT_BYTES = 32 << 20
"""Bytes that all connections of one participant may hold together."""

REQUEST_BYTES = 4096
"""Bytes that are charged for an unanswered request, whatever its verb."""

LARGE_REQUEST = 8192
"""Bytes of a line above which its length is charged, too, until it is answered."""

MAX_OUTSTANDING = 1024
"""Unanswered requests of one connection, above which it is not read from."""

UNCOUNTED = 16
"""Unanswered requests of a connection that are not charged."""

LINE_OVERHEAD = 48
"""Estimated bytes of a line in a backlog besides its own."""

LOG_SECONDS = 60.0
"""Least seconds between two lines in the log about the same limit."""


class LogThrottle:
    """Logs a warning at most once in `LOG_SECONDS`, by the time of the running loop."""

    def __init__(self) -> None:
        self._next = float("-inf")

    def warning(self, message: str, *args: object) -> None:
        """Log, unless the last line is too recent."""
        now = asyncio.get_running_loop().time()
        if now >= self._next:
            self._next = now + LOG_SECONDS
            logger.warning(message, *args)


@define(eq=False)
class Backlog:
    """Lines that were read from a connection and not handled, because too much was held.

    Attributes:
        lines: The lines, in order.
        held: Bytes that they take.
    """

    lines: list[bytes | TooLong] = field(factory=list, init=False)
    held: int = field(default=0, init=False)

    def extend(self, lines: Iterable[bytes | TooLong]) -> None:
        """Add lines at the end."""
        for line in lines:
            self.lines.append(line)
            self.held += LINE_OVERHEAD + (0 if isinstance(line, TooLong) else len(line))


class Charged(Protocol):
    """A connection as its budget sees it."""

    def update_reading(self) -> bool:
        """Read from the connection or not, as the budget allows; return whether it is paused."""
        ...


class Budget:
    """The bytes that the connections of one participant hold.

    Args:
        name: The participant.
        limit: Bytes above which the budget is full; None for no limit. It has room again at three
            quarters of them.
        loop: The event loop.

    Attributes:
        held: Bytes that are held now.
        unread: Those of them that are answers.
        is_full: Whether no connection is read from.
        connections: The open connections, in the order in which they were made.
    """

    def __init__(self, name: str, limit: int | None, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.limit = limit
        self.held = 0
        self.unread = 0
        self.is_full = False
        self.connections: dict[Charged, None] = {}
        self._loop = loop
        self._last_turn: asyncio.Future[None] | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._log = LogThrottle()

    def charge(self, held: int, unread: int) -> None:
        """Add to the bytes that are held, and to those that are answers; negative ones subtract."""
        self.held += held
        self.unread += unread
        if self.limit is None:
            return
        was_full = self.is_full
        self.is_full = self.held > (self.limit * 3 // 4 if was_full else self.limit)
        if self.is_full and self.unread:
            self._has_room.clear()
        else:
            self._has_room.set()
        if self.is_full is not was_full:
            self._changed()

    def _changed(self) -> None:
        """Log that the budget is full, and stop reading; or read again."""
        if self.is_full:
            self._log.warning(
                "the connections of %r hold %d bytes of requests and unread answers; above %d they "
                "are not read from",
                *(self.name, self.held, self.limit),
            )
        for connection in tuple(self.connections):
            connection.update_reading()

    def error(self) -> UnavailableError:
        """Return why a connection was closed in the middle of a line."""
        return UnavailableError(
            f"the connections of {self.name!r} hold more than {self.limit} bytes, so this one was "
            "closed in the middle of a line; read the answers, and connect again"
        )

    def take_turn(self) -> AnswerTurn:
        """Return the turn of a large answer, after all turns that were taken before.

        Answers of one connection are written in the order of their requests, so they must be made
        in that order: one that is ready would otherwise fill the budget that the first waits for.
        """
        turn = AnswerTurn(self, self._last_turn, self._loop.create_future())
        self._last_turn = turn.end
        return turn

    async def has_room(self) -> None:
        """Return when the budget is not full, or requests alone fill it.

        Those may be the very requests that wait for this.
        """
        while not self._has_room.is_set():
            await self._has_room.wait()


@frozen
class AnswerTurn:
    """The turn of a large answer of a participant.

    Attributes:
        end: Set when the answer is made.
    """

    budget: Budget
    _before: asyncio.Future[None] | None
    end: asyncio.Future[None]

    async def begin(self) -> None:
        """Wait until the large answers before this one are made and the budget has room."""
        if self._before is not None:
            await asyncio.wait([self._before])
        await self.budget.has_room()


class Budgets:
    """The budgets of all participants that have connections, by name.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._budgets: dict[str, Budget] = {}

    def of(self, name: str) -> Budget:
        """Return the budget of a participant that has connections."""
        return self._budgets[name]

    def join(self, name: str, connection: Charged, *, is_limited: bool) -> Budget:
        """Return the budget of a participant, and add a connection to it."""
        budget = self._budgets.get(name)
        if budget is None:
            limit = PARTICIPANT_BYTES if is_limited else None
            budget = self._budgets[name] = Budget(name, limit, self._loop)
        budget.connections[connection] = None
        return budget

    def leave(self, budget: Budget, connection: Charged) -> None:
        """Remove a connection that has ended and holds nothing more."""
        budget.connections.pop(connection, None)
        if not budget.connections:
            self._budgets.pop(budget.name, None)
