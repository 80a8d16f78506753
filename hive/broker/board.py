"""Numbers that anyone may look at without asking the broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hive.broker.inbox import Inbox, InboxCounts
from hive.names import MANAGER, MANAGER_ALIAS

_EMPTY = InboxCounts(0, 0, 0)


class Board:
    """How full each inbox is, straight from the memory of the broker that runs now.

    One board outlives all restarts of the broker; while there is none it is empty.
    """

    def __init__(self) -> None:
        self._inboxes: Mapping[str, Inbox[Any]] = {}

    def show(self, inboxes: Mapping[str, Inbox[Any]]) -> None:
        """Show these inboxes from now on."""
        self._inboxes = inboxes

    def clear(self) -> None:
        """Show nothing: no broker runs."""
        self._inboxes = {}

    def counts(self, name: str) -> InboxCounts:
        """Return how full an inbox is; all zeros when there is none of that name."""
        inbox = self._inboxes.get(MANAGER if name == MANAGER_ALIAS else name)
        return inbox.counts if inbox is not None else _EMPTY

    def names(self) -> tuple[str, ...]:
        """Return the names of all inboxes, also of those whose participant is away."""
        return tuple(sorted(self._inboxes))
