"""Budgets: what the connections of one participant may make the daemon hold.

A connection holds its unfinished line, the requests that it has read but not begun, its unanswered
requests, and the answers that its client has not read. Above its own limit the connection is not
read from; above the participant's, none of its connections is. The kernel then stops the client.
A budget also has the participant's share of a turn of the loop and its meter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping, Sized
from typing import Protocol

from hive.errors import HiveError, UnavailableError
from hive.gateway.answer_turns import AnswerTurns
from hive.gateway.line_turns import LineTurns
from hive.gateway.metering import REQUESTS, Meter
from hive.quantities import counted
from hive.store.disk_reserve import Shortage

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

LOG_SECONDS = 60.0
"""Least seconds between two lines in the log about the same limit."""


class LogThrottle:
    """Logs a warning at most once in `LOG_SECONDS`, by the time of the running loop.

    Args:
        log: The logger of the module that warns.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next = float("-inf")

    def warning(self, message: str, *args: object) -> None:
        """Log, unless the last line is too recent."""
        now = asyncio.get_running_loop().time()
        if now >= self._next:
            self._next = now + LOG_SECONDS
            self._log.warning(message, *args)


class Charged(Hashable, Protocol):
    """A connection as its budget sees it."""

    @property
    def is_open(self) -> bool:
        """Whether its session is open."""
        ...

    @property
    def alive_at(self) -> float:
        """Time of its last request, in seconds of the loop."""
        ...

    @property
    def held(self) -> Sized:
        """The messages that are leased to it."""
        ...

    def update_reading(self) -> None:
        """Read from the connection or not, as the budget allows."""
        ...

    def handle_backlog(self) -> None:
        """Handle lines that were read, in the turn of this connection."""
        ...

    def choose_handlers(self) -> None:
        """Serve all verbs, or those that the state of the daemon allows."""
        ...


class Budget:
    """What the connections of one participant may hold and ask for.

    Args:
        meter: The tokens of the participant.
        limit: Bytes above which the budget is full; None for no limit. It has room again at three
            quarters of them.
        loop: The event loop.

    Attributes:
        name: The participant.
        turns: The lines that may be handled in a turn of the loop.
        answers: The large answers, which are made one at a time.
        held: Bytes that are held now.
        unread: Those of them that are answers.
        is_full: Whether no connection is read from.
        connections: The open connections, in the order in which they were made.
    """

    def __init__(self, meter: Meter, limit: int | None, loop: asyncio.AbstractEventLoop) -> None:
        self.name = meter.name
        self.meter = meter
        self.turns = LineTurns(loop)
        self.answers = AnswerTurns()
        self.limit = limit
        self.held = 0
        self.unread = 0
        self.is_full = False
        self.connections: dict[Charged, None] = {}
        self._log = LogThrottle(logger)

    def charge(self, held: int, unread: int) -> None:
        """Add to the bytes that are held, and to those that are answers; negative ones subtract."""
        self.held += held
        self.unread += unread
        if self.limit is None:
            return
        was_full = self.is_full
        self.is_full = self.held > (self.limit * 3 // 4 if was_full else self.limit)
        # Requests alone that fill it may be the very ones whose answers wait for room.
        self.answers.set_room(not (self.is_full and self.unread))
        if self.is_full is not was_full:
            self._changed()

    def _changed(self) -> None:
        """Log that the budget is full, and stop reading; or read again."""
        if self.is_full:
            self._log.warning(
                "the connections of %r hold %s of requests and unread answers; above %d they "
                "are not read from",
                *(self.name, counted(self.held, "byte"), self.limit),
            )
        for connection in tuple(self.connections):
            connection.update_reading()

    def error(self) -> UnavailableError:
        """Return why a connection was closed in the middle of a line."""
        return UnavailableError(
            f"the connections of {self.name!r} hold more than {counted(self.limit or 0, 'byte')}, "
            "so this one was closed in the middle of a line; read the answers, and connect again"
        )


class Budgets:
    """The budgets of all participants that have connections or requests under way, by name.

    The meters stay: a participant that connects again has paid already.

    Args:
        loop: The event loop.
        requests: Tokens of one participant within a minute.

    Attributes:
        shortage: Why participants can store nothing; None while there is enough disk space.
        stop_refusal: Returns why the daemon starts and changes nothing; None until it stops.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, requests: int = REQUESTS) -> None:
        self._loop = loop
        self._requests = requests
        self._budgets: dict[str, Budget] = {}
        self._meters: dict[str, Meter] = {}
        self.shortage: Shortage | None = None
        self.stop_refusal: Callable[[], HiveError] | None = None

    def refuse_changes(self, refusal: Callable[[], HiveError]) -> None:
        """Begin to refuse what starts or changes participants: the daemon stops."""
        self.stop_refusal = refusal
        self._choose_handlers()

    def set_shortage(self, shortage: Shortage | None) -> None:
        """Begin to refuse what participants would store, or end that with None."""
        self.shortage = shortage
        self._choose_handlers()

    def _choose_handlers(self) -> None:
        for budget in self._budgets.values():
            for connection in budget.connections:
                connection.choose_handlers()

    def set_requests(self, requests: int) -> None:
        """Change the tokens of a participant within a minute, also of those that are known."""
        self._requests = requests
        for meter in self._meters.values():
            meter.limit, meter.left = requests, min(meter.left, requests)

    def of(self, name: str) -> Budget:
        """Return the budget of a participant that has connections."""
        return self._budgets[name]

    def connections(self) -> Mapping[str, int]:
        """Return the number of open connections of each participant that has any."""
        return {name: len(budget.connections) for name, budget in self._budgets.items()}

    def refusals(self) -> Mapping[str, Mapping[str, int]]:
        """Return the number of refused requests by participant, then by the code of the error."""
        return {name: meter.refusals for name, meter in self._meters.items()}

    def last_request(self, name: str) -> float | None:
        """Return when an open connection of a participant sent its last request.

        Returns:
            Seconds of the loop; None without an open connection.
        """
        budget = self._budgets.get(name)
        newest: float | None = None
        for each in () if budget is None else budget.connections:  # for each row of each look
            if each.is_open and (newest is None or each.alive_at > newest):
                newest = each.alive_at
        return newest

    def join(self, name: str, connection: Charged, *, is_limited: bool) -> Budget:
        """Return the budget of a participant, and add a connection to it."""
        budget = self._budgets.get(name)
        if budget is None:
            limit = PARTICIPANT_BYTES if is_limited else None
            meter = self._meters.setdefault(name, Meter(name, self._requests))
            budget = self._budgets[name] = Budget(meter, limit, self._loop)
        budget.connections[connection] = None
        return budget

    def leave(self, budget: Budget, connection: Charged, held: int, unread: int) -> None:
        """Remove a connection that has ended, and what it was charged for but goes on.

        Args:
            budget: The budget of its participant.
            connection: The connection.
            held: Bytes that it holds no more.
            unread: Those of them that are answers.
        """
        budget.connections.pop(connection, None)
        budget.turns.leave(connection)
        budget.answers.leave(connection)
        self.release(budget, held, unread)

    def release(self, budget: Budget, held: int, unread: int = 0) -> None:
        """Charge less, and forget a budget without connections of which nothing is held."""
        budget.charge(-held, -unread)
        if not budget.connections and not budget.held:
            self._budgets.pop(budget.name, None)
