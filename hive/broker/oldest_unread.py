"""The oldest unread message of each inbox, for the operator's view; no index is kept for that.

One pass through the messages by their ids, which is their order in time, finds the first few of
every inbox. It is repeated when those of an inbox have ended, but not more than once in `EVERY`
seconds, however many inboxes are asked for: a backlog of one participant must not make each look at
the others slow. What a pass does not reach is unknown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice

from attrs import define, field

from hive.broker.messages import MessageTable
from hive.store import Message, MessageKind

SEARCHED = 50_000
"""Messages that one pass looks at, at most: a few milliseconds."""

EVERY = 1.0
"""Seconds between two passes, at least."""

KEPT = 8
"""Oldest messages of an inbox that a pass remembers."""


@define(eq=False)
class OldestUnread:
    """Finds the oldest unread message of inboxes, and remembers it.

    Attributes:
        table: Returns the messages that have not ended.
        now: Returns the loop's time in seconds.
    """

    table: Callable[[], MessageTable]
    now: Callable[[], float]
    _known: dict[str, deque[Message]] = field(factory=dict, init=False)
    _passed_at: float = field(default=float("-inf"), init=False)

    def sent_at(self, name: str) -> float | None:
        """Return when the oldest message of an inbox was sent; None if there is none, or unknown.

        A reminder is none: it is due later, and its participant set it itself.
        """
        table = self.table()
        inbox = table.inboxes.get(name)
        if inbox is None or not inbox.unread:
            return None
        found = self._first(table, name)
        if found is None and self.now() - self._passed_at >= EVERY:
            self._pass(table)
            found = self._first(table, name)
        return None if found is None else found.sent_at

    def _first(self, table: MessageTable, name: str) -> Message | None:
        """Return the first known message of an inbox that has not ended; forget those that have."""
        known = self._known.get(name, deque())
        while known and (known[0].inbox != name or table.messages.get(known[0].id) is not known[0]):
            known.popleft()
        return known[0] if known else None

    def _pass(self, table: MessageTable) -> None:
        self._passed_at = self.now()
        self._known.clear()
        for message in islice(table.messages.values(), SEARCHED):
            if message.kind is not MessageKind.REMINDER:
                known = self._known.setdefault(message.inbox, deque())
                if len(known) < KEPT:
                    known.append(message)
