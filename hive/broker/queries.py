"""Queries about messages, without a lease: counts from memory, messages from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from hive.broker.inboxes import InboxCounts
from hive.broker.loop_guard import Circuit
from hive.broker.service import BrokerService
from hive.errors import NotFoundError, UnknownNameError
from hive.names import QUEUE_PREFIX, inbox_key, suggest
from hive.store import (
    Kind,
    Message,
    MessageKind,
    Receipt,
    Store,
    dead_letters,
    questions,
    receipts,
)
from hive.store.dead_letters import DeadLetterCriteria
from hive.store.messages import FindParties, deliverable, newest, one, pending_reminders
from hive.store.questions import Question

_EMPTY = InboxCounts(0, 0, 0)

_UNCOUNTED_KINDS = frozenset({MessageKind.EVENT, MessageKind.REMINDER})
"""Messages that a participant has from itself or from the daemon."""


@frozen
class QueueCounts:
    """Number and size of the messages of a work queue.

    Attributes:
        name: Name of the queue, without its prefix.
        receivers: Number of parked receivers.
    """

    name: str
    counts: InboxCounts
    receivers: int


class MailQueries:
    """Queries about inboxes, groups, circuits, questions and messages.

    They read the memory of the broker directly; until the broker is open that is empty.

    Args:
        service: The broker.
        store: The store, from which messages are read.
    """

    def __init__(self, service: BrokerService, store: Store) -> None:
        self._service = service
        self._store = store

    def groups(self) -> Mapping[str, frozenset[str]]:
        """Return the members of every group."""
        return self._service.rules.sending.groups

    def loops(self) -> tuple[Circuit, ...]:
        """Return the open circuits."""
        return tuple(self._service.rules.sending.guard.tripped.values())

    def counts(self, name: str) -> InboxCounts:
        """Return the counts of an inbox; zeros if there is none of that name."""
        inbox = self._service.rules.table.inboxes.get(inbox_key(name))
        return inbox.counts if inbox is not None else _EMPTY

    def unread(self, name: str) -> int:
        """Return the number of messages of an inbox that are not acked."""
        return self.counts(name).unread

    def written_since(self, name: str, since: float) -> int:
        """Return the number of unread messages that others sent after a wall time."""
        return sum(
            message.inbox == name
            and message.sent_at > since
            and message.kind not in _UNCOUNTED_KINDS
            for message in self._service.rules.table.messages.values()
        )

    def reminders(self, name: str) -> int:
        """Return the number of pending reminders of a participant."""
        return self._service.question_rules.pending(name)

    def queues(self) -> tuple[QueueCounts, ...]:
        """Return the counts of each work queue, sorted by name."""
        return tuple(
            QueueCounts(name.removeprefix(QUEUE_PREFIX), inbox.counts, len(inbox.parked))
            for name, inbox in sorted(self._service.rules.table.inboxes.items())
            if inbox.kind is Kind.QUEUE
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of all inboxes, also of those without a participant."""
        return tuple(sorted(self._service.rules.table.inboxes))

    def sessions(self) -> Sequence[int]:
        """Return the numbers of the open sessions."""
        return tuple(self._service.rules.table.sessions)

    async def open_questions_of(self, name: str) -> tuple[list[Question], list[Message]]:
        """Return the open questions of a participant, in both directions, and its reminders."""
        return await self._store.read(
            lambda c: (questions.of_participant(name)(c), pending_reminders(name)(c))
        )

    async def questions(self, count: int, *, ended: bool = False) -> list[Question]:
        """Return up to `count` open questions, oldest first; with `ended`, the newest of all."""
        if ended:
            return await self._store.read(questions.newest(count))
        return (await self._store.read(questions.open_questions))[:count]

    async def message(self, number: int) -> Message:
        """Return one message with all its fields.

        Raises:
            NotFoundError: There is no message of that id.
        """
        found = await self._store.read(one(number))
        if found is None:
            raise NotFoundError(f"there is no message {number}")
        return found

    async def receivers(self, number: int) -> frozenset[str]:
        """Return the inbox of a message and those who took it from a work queue, or nothing."""
        found = await self._store.read(FindParties(number))
        return found.receivers if found is not None else frozenset()

    async def trace(self, number: int) -> tuple[Message, list[Receipt]]:
        """Return one message and its trace.

        Raises:
            NotFoundError: There is no message of that id.
        """
        message, written = await self._store.read(
            lambda c: (one(number)(c), receipts.of(number)(c))
        )
        if message is None:
            raise NotFoundError(f"there is no message {number}")
        return message, receipts.trace(message, written)

    async def dead_letters(
        self,
        letters: DeadLetterCriteria,
        max: int = 50,  # noqa: A002 - the name on the wire
    ) -> Sequence[Message]:
        """Return the newest dead letters that a filter matches, oldest first."""
        return await self._store.read(dead_letters.newest(letters, max))

    async def inbox(
        self,
        name: str,
        max: int = 50,  # noqa: A002 - the name on the wire
        *,
        unread_only: bool = False,
    ) -> tuple[Message, ...]:
        """Return the newest messages of an inbox, oldest first.

        Raises:
            UnknownNameError: There is no such inbox.
        """
        key = inbox_key(name)
        found = await self._store.read(newest(key, max, unread=unread_only))
        if not found and key not in self.names():
            raise UnknownNameError(f"there is no inbox {name!r}{suggest(key, self.names())}")
        return found

    async def deliverable(self, name: str, count: int, now: float) -> tuple[Message, ...]:
        """Return the messages that a receiver would get at the wall time `now`, oldest first.

        If there are more than `count`, those of the operator are returned first, then those of the
        highest priority, then the newest.
        """
        return await self._store.read(deliverable(name, count, now))
