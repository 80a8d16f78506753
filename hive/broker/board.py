"""Numbers that anyone may look at without asking the broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from hive.broker.circuits import Circuit
from hive.broker.inbox import Inbox, InboxCounts
from hive.broker.intake import Intake
from hive.broker.rules import Rules
from hive.names import MANAGER, MANAGER_ALIAS, QUEUE_PREFIX
from hive.store import Kind

_EMPTY = InboxCounts(0, 0, 0)


@frozen
class QueueCounts:
    """How full a work queue is.

    Attributes:
        name: Without its prefix.
        receivers: How many wait for its next message.
    """

    name: str
    counts: InboxCounts
    receivers: int


class Board:
    """How full each inbox is, which groups there are, and who loops.

    It looks straight into the memory of the broker that runs now. One board outlives
    all restarts of the broker; while there is none it is empty.

    Attributes:
        epoch: Number of the latest life of the broker.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self._inboxes: Mapping[str, Inbox[Any]] = {}
        self._intake: Intake[Any] | None = None

    def show(self, rules: Rules[Any]) -> None:
        """Show what these rules hold, from now on."""
        self.epoch = rules.epoch
        self._inboxes = rules.mail.inboxes
        self._intake = rules.intake

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

    def queues(self) -> tuple[QueueCounts, ...]:
        """Return how full each work queue is, by name."""
        return tuple(
            QueueCounts(name.removeprefix(QUEUE_PREFIX), inbox.counts, len(inbox.parked))
            for name, inbox in sorted(self._inboxes.items())
            if inbox.kind is Kind.QUEUE
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of all inboxes, also of those whose participant is away."""
        return tuple(sorted(self._inboxes))
