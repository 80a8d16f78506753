"""Numbers that anyone may look at without asking the broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from hive.broker.circuits import Circuit
from hive.broker.inbox import Inbox, InboxCounts
from hive.broker.intake import Intake
from hive.broker.loose_ends import LooseEnds
from hive.broker.rules import Rules
from hive.names import QUEUE_PREFIX, inbox_key
from hive.store import Kind, MessageKind

_EMPTY = InboxCounts(0, 0, 0)

_OWN = frozenset({MessageKind.EVENT, MessageKind.REMINDER})
"""Messages by which nobody else speaks to a participant."""


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
        self._loose_ends: LooseEnds[Any] | None = None

    def show(self, rules: Rules[Any], loose_ends: LooseEnds[Any]) -> None:
        """Show what these hold, from now on."""
        self.epoch = rules.epoch
        self._inboxes = rules.mail.inboxes
        self._intake = rules.intake
        self._loose_ends = loose_ends

    def clear(self) -> None:
        """Show nothing: no broker runs."""
        self._inboxes = {}
        self._intake = None
        self._loose_ends = None

    def groups(self) -> Mapping[str, frozenset[str]]:
        """Return the members of every group."""
        return self._intake.groups if self._intake is not None else {}

    def loops(self) -> tuple[Circuit, ...]:
        """Return the circuits that are open."""
        return tuple(self._intake.circuits.tripped.values()) if self._intake is not None else ()

    def counts(self, name: str) -> InboxCounts:
        """Return how full an inbox is; all zeros when there is none of that name."""
        inbox = self._inboxes.get(inbox_key(name))
        return inbox.counts if inbox is not None else _EMPTY

    def written_since(self, name: str, since: float) -> int:
        """Return how many unread messages people and participants sent after a wall time."""
        if self._intake is None:
            return 0
        return sum(
            message.inbox == name and message.sent_at > since and message.kind not in _OWN
            for message in self._intake.mail.messages.values()
        )

    def reminders(self, name: str) -> int:
        """Return how many reminders of a participant are still to come."""
        return self._loose_ends.pending(name) if self._loose_ends is not None else 0

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
