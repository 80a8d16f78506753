"""Numbers that anyone may look at without asking the broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hive.broker.circuits import Circuit
from hive.broker.inbox import Inbox, InboxCounts
from hive.broker.intake import Intake
from hive.names import MANAGER, MANAGER_ALIAS

_EMPTY = InboxCounts(0, 0, 0)


class Board:
    """How full each inbox is, which groups there are, and who loops.

    It looks straight into the memory of the broker that runs now. One board outlives
    all restarts of the broker; while there is none it is empty.
    """

    def __init__(self) -> None:
        self._inboxes: Mapping[str, Inbox[Any]] = {}
        self._intake: Intake[Any] | None = None

    def show(self, inboxes: Mapping[str, Inbox[Any]], intake: Intake[Any]) -> None:
        """Show these inboxes, and the groups and circuits of this intake, from now on."""
        self._inboxes = inboxes
        self._intake = intake

    def clear(self) -> None:
        """Show nothing: no broker runs."""
        self._inboxes = {}
        self._intake = None

    def groups(self) -> Mapping[str, frozenset[str]]:
        """Return the members of every group."""
        return self._intake.groups if self._intake is not None else {}

    def loops(self) -> tuple[Circuit, ...]:
        """Return the circuits that are open."""
        return tuple(self._intake.circuits.tripped.values()) if self._intake is not None else ()

    def counts(self, name: str) -> InboxCounts:
        """Return how full an inbox is; all zeros when there is none of that name."""
        inbox = self._inboxes.get(MANAGER if name == MANAGER_ALIAS else name)
        return inbox.counts if inbox is not None else _EMPTY

    def names(self) -> tuple[str, ...]:
        """Return the names of all inboxes, also of those whose participant is away."""
        return tuple(sorted(self._inboxes))
