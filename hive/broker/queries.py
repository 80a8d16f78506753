"""Looking at mail: numbers from the broker's memory, messages from the disk, leasing nothing."""

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
    reminders,
)
from hive.store.dead_letters import DeadLetters
from hive.store.messages import newest, one
from hive.store.questions import Question

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


class MailQueries:
    """How full each inbox is, which groups there are, who loops, and what was written.

    It looks straight into the memory of the broker; while there is none that is empty.

    Args:
        service: The broker.
        store: Where mail is read without leasing it.
    """

    def __init__(self, service: BrokerService, store: Store) -> None:
        self._service = service
        self._store = store

    def groups(self) -> Mapping[str, frozenset[str]]:
        """Return the members of every group."""
        return self._service.rules.sending.groups

    def loops(self) -> tuple[Circuit, ...]:
        """Return the pairs whose messages are parked."""
        return tuple(self._service.rules.sending.guard.tripped.values())

    def counts(self, name: str) -> InboxCounts:
        """Return how full an inbox is; all zeros when there is none of that name."""
        inbox = self._service.rules.table.inboxes.get(inbox_key(name))
        return inbox.counts if inbox is not None else _EMPTY

    def unread(self, name: str) -> int:
        """Return how many messages of an inbox are not acked."""
        return self.counts(name).unread

    def written_since(self, name: str, since: float) -> int:
        """Return how many unread messages people and participants sent after a wall time."""
        return sum(
            message.inbox == name and message.sent_at > since and message.kind not in _OWN
            for message in self._service.rules.table.messages.values()
        )

    def reminders(self, name: str) -> int:
        """Return how many reminders of a participant are still to come."""
        return self._service.asking.pending(name)

    def queues(self) -> tuple[QueueCounts, ...]:
        """Return how full each work queue is, by name."""
        return tuple(
            QueueCounts(name.removeprefix(QUEUE_PREFIX), inbox.counts, len(inbox.parked))
            for name, inbox in sorted(self._service.rules.table.inboxes.items())
            if inbox.kind is Kind.QUEUE
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of all inboxes, also of those whose participant is away."""
        return tuple(sorted(self._service.rules.table.inboxes))

    def sessions(self) -> Sequence[int]:
        """Return the numbers of the sessions that are open."""
        return tuple(self._service.rules.table.sessions)

    async def open_questions_of(self, name: str) -> tuple[list[Question], list[Message]]:
        """Return the open questions of a participant, in both directions, and its reminders."""
        return await self._store.read(
            lambda c: (questions.of_participant(name)(c), reminders.pending(name)(c))
        )

    async def questions(self, count: int, *, ended: bool = False) -> list[Question]:
        """Return up to `count` open questions, oldest first; with `ended`, the newest of all."""
        if ended:
            return await self._store.read(questions.newest(count))
        return (await self._store.read(questions.open_questions))[:count]

    async def message(self, number: int) -> Message:
        """Return one message whole.

        Raises:
            NotFoundError: There is none of that number.
        """
        found = await self._store.read(one(number))
        if found is None:
            raise NotFoundError(f"there is no message {number}")
        return found

    async def trace(self, number: int) -> tuple[Message, list[Receipt]]:
        """Return one message whole, and every step of its life in order.

        Raises:
            NotFoundError: There is none of that number.
        """
        message, written = await self._store.read(
            lambda c: (one(number)(c), receipts.of(number)(c))
        )
        if message is None:
            raise NotFoundError(f"there is no message {number}")
        return message, receipts.ladder(message, written)

    async def dead_letters(
        self,
        chosen: DeadLetters,
        max: int = 50,  # noqa: A002 - the name on the wire
    ) -> Sequence[Message]:
        """Return the newest of these dead letters, oldest first."""
        return await self._store.read(dead_letters.newest(chosen, max))

    async def inbox(
        self,
        name: str,
        max: int = 50,  # noqa: A002 - the name on the wire
        *,
        unread_only: bool = False,
    ) -> tuple[Message, ...]:
        """Return the newest messages of an inbox, oldest first, without leasing any.

        Raises:
            UnknownNameError: There is no such inbox.
        """
        key = inbox_key(name)
        found = await self._store.read(newest(key, max, unread=unread_only))
        if not found and key not in self.names():
            raise UnknownNameError(f"there is no inbox {name!r}{suggest(key, self.names())}")
        return found
