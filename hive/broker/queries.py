"""Queries about messages, without a lease: counts from memory, messages from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from attrs import evolve, frozen

from hive.broker.inboxes import InboxCounts, MailTotals
from hive.broker.loop_guard import Circuit
from hive.broker.oldest_unread import OldestUnread
from hive.broker.service import BrokerService
from hive.broker.sessions import Session, queue_holder
from hive.broker.turn_cap import TurnsUnderCap
from hive.errors import NotFoundError, UnknownNameError
from hive.names import (
    OPERATOR,
    QUEUE_PREFIX,
    WITHOUT_INBOX,
    inbox_key,
    suggest,
    unknown_participant,
)
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
from hive.store.listing import Cut, deliverable, newest
from hive.store.messages import FindParties, one, pending_reminders
from hive.store.questions import Question, QuestionState

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


@frozen
class InboxReading:
    """The numbers of one inbox, for the metrics.

    Attributes:
        name: The inbox key.
        counts: Number and size of its messages.
        totals: What was sent, delivered and ended; the object goes on counting.
        receivers: Number of parked receivers.
        reminders: Number of pending reminders of its participant.
    """

    name: str
    counts: InboxCounts
    totals: MailTotals
    receivers: int
    reminders: int


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
        self._oldest = OldestUnread(
            lambda: self._service.rules.table, lambda: asyncio.get_running_loop().time()
        )

    def groups(self) -> Mapping[str, frozenset[str]]:
        """Return the members of every group."""
        return self._service.rules.sending.groups

    def held(self, name: str) -> int:
        """Return how many messages a participant holds, those of work queues included."""
        sessions = self._service.rules.table.sessions.values()
        return sum(len(session.held) for session in sessions if session.name == name)

    def turns(self) -> TurnsUnderCap:
        """Return the turns that run and that are waited for."""
        counts = self._service.rules.turns.counts
        if counts.limit is not None:
            return counts
        sessions = self._service.rules.table.sessions.values()
        agents = {each.name for each in sessions if each.kind is Kind.AGENT and each.held}
        return evolve(counts, running=len(agents))

    def turn_holders(self) -> dict[str, float]:
        """Return the agents whose turns run, with the wall time of their oldest lease, in order."""
        since: dict[str, float] = {}
        for session in self._service.rules.table.sessions.values():
            if session.kind is Kind.AGENT:
                leased = [each.leased_at for each in session.held.values() if each.leased_at]
                if leased:
                    since[session.name] = min(*leased, since.get(session.name, leased[0]))
        return dict(sorted(since.items(), key=lambda each: each[1]))

    def loops(self) -> tuple[Circuit, ...]:
        """Return the open circuits."""
        return tuple(self._service.rules.sending.guard.tripped.values())

    def counts(self, name: str) -> InboxCounts:
        """Return the counts of an inbox; zeros if there is none of that name."""
        inbox = self._service.rules.table.inboxes.get(inbox_key(name))
        return inbox.counts if inbox is not None else _EMPTY

    def unread(self, name: str) -> int:
        """Return the number of messages of an inbox that are not acked."""
        inbox = self._service.rules.table.inboxes.get(inbox_key(name))
        return inbox.unread if inbox is not None else 0

    def glance(self, name: str) -> tuple[int, bool]:
        """Return what each status row has of an inbox: its unread messages, and who waits.

        The second is whether a receiver of the participant is parked: its client waits now.
        """
        inbox = self._service.rules.table.inboxes.get(inbox_key(name))
        if inbox is None:
            return 0, False
        return inbox.stored + inbox.leased, bool(inbox.waiting or inbox.waiting_urgent)

    def unread_ids(self, name: str) -> list[int]:
        """Return the ids of the messages of an inbox that are not acked; looks at all messages."""
        key, messages = inbox_key(name), self._service.rules.table.messages.values()
        return [message.id for message in messages if message.inbox == key]

    def unread_since(self, name: str) -> float | None:
        """Return when the oldest unacked message of an inbox was sent; None if none is known."""
        return self._oldest.sent_at(inbox_key(name))

    def sent(self, name: str) -> int:
        """Return the number of messages that a participant has sent since the daemon started."""
        inbox = self._service.rules.table.inboxes.get(inbox_key(name))
        return inbox.totals.sent if inbox is not None else 0

    def stored(self) -> int:
        """Return a number that grows by one with each message that is stored."""
        return self._service.rules.table.last_id

    def asked_operator(self) -> dict[str, float]:
        """Return the wall time since which a question of a participant waits for the operator.

        It is that of the oldest one, by participant; an escalated question waits for him, too.
        """
        found: dict[str, float] = {}
        for each in self._service.question_rules.questions.open.values():
            if each.target == OPERATOR or each.state is QuestionState.ESCALATED:
                found.setdefault(each.asker, each.asked_at)
        return found

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

    def inboxes(self) -> tuple[InboxReading, ...]:
        """Return the numbers of all inboxes, also of those without a participant."""
        return tuple(
            InboxReading(
                inbox.name,
                inbox.counts,
                inbox.totals,
                len(inbox.waiting) + len(inbox.waiting_urgent),
                self.reminders(inbox.name),
            )
            for inbox in self._service.rules.table.inboxes.values()
        )

    def deferred(self) -> Mapping[str, int]:
        """Return the number of deferred messages, without reminders, by their sender."""
        return dict(self._service.rules.table.deferred_by)

    def open_questions(self) -> list[Question]:
        """Return the questions that have not ended, oldest first; not to be changed."""
        return list(self._service.question_rules.questions.open.values())

    def open_questions_since(self) -> list[float]:
        """Return the wall times at which the open questions were asked."""
        return [each.asked_at for each in self._service.question_rules.questions.open.values()]

    def names(self) -> tuple[str, ...]:
        """Return the names of all inboxes, also of those without a participant."""
        return tuple(sorted(self._service.rules.table.inboxes))

    def check_known(self, *names: str | None) -> None:
        """Check the names by which mail was looked for without success; None is no name.

        Mail stays when its participants leave, so only a search that finds nothing has a wrong
        name.

        Raises:
            UnknownNameError: There is no inbox of that name and never was, or no such queue.
        """
        known = {*self.names(), *WITHOUT_INBOX, OPERATOR}
        for name in names:
            if name is None or inbox_key(name) in known:
                continue
            if name.startswith(QUEUE_PREFIX):
                raise UnknownNameError(f"there is no queue {name!r}{suggest(name, known)}")
            raise unknown_participant(name, known)

    def sessions(self) -> Sequence[int]:
        """Return the numbers of the open sessions."""
        return tuple(self._service.rules.table.sessions)

    def session(self, number: int) -> Session | None:
        """Return an open session by its number; None if it is not open."""
        return self._service.rules.table.sessions.get(number)

    async def open_questions_of(self, name: str) -> tuple[list[Question], list[Message]]:
        """Return the open questions of a participant, in both directions, and its reminders."""
        return await self._store.read(
            lambda c: (questions.of_participant(name)(c), pending_reminders(name)(c))
        )

    async def questions(self, count: int, *, ended: bool = False) -> list[Question]:
        """Return up to `count` open questions, oldest first; with `ended`, the newest of all.

        Raises:
            TooLargeError: Their texts are too large for one answer.
        """
        query = questions.newest(count) if ended else questions.oldest_open(count)
        return await self._store.read(query)

    async def message(self, number: int, party: str | None = None) -> Message:
        """Return one message with all its fields.

        With `party`, only a message to or from that participant, or that it leased last from a work
        queue.

        Raises:
            NotFoundError: There is no such message.
        """
        found = await self._store.read(one(number))
        if found is None or not (party is None or party in _parties(found)):
            whose = "" if party is None else f" to or from {party!r}"
            raise NotFoundError(f"there is no message {number}{whose}")
        return found

    async def receivers(self, number: int) -> frozenset[str]:
        """Return the inbox of a message and those who took it from a work queue, or nothing."""
        found = await self._store.read(FindParties(number))
        return found.receivers if found is not None else frozenset()

    async def trace(self, number: int, sender: str | None = None) -> tuple[Message, list[Receipt]]:
        """Return one message and its trace; with `sender`, only a message of that participant.

        Raises:
            NotFoundError: There is no such message.
        """
        message, written = await self._store.read(
            lambda c: (one(number)(c), receipts.of(number)(c))
        )
        if message is None or sender not in (None, message.sender):
            whose = "" if sender is None else f" from {sender!r}"
            raise NotFoundError(f"there is no message {number}{whose}")
        return message, receipts.trace(message, written)

    async def dead_letters(
        self,
        letters: DeadLetterCriteria,
        max: int = 50,  # noqa: A002 - the name on the wire
        before: int | None = None,
    ) -> Sequence[Message]:
        """Return the newest dead letters that a filter matches, before an id, oldest first.

        Raises:
            TooLargeError: Their bodies are too large for one answer.
        """
        return await self._store.read(dead_letters.newest(letters, max, before))

    async def inbox(
        self,
        name: str,
        max: int = 50,  # noqa: A002 - the name on the wire
        *,
        unread_only: bool = False,
    ) -> tuple[Message, ...]:
        """Return the newest messages of an inbox, oldest first.

        Raises:
            TooLargeError: Their bodies are too large for one answer.
            UnknownNameError: There is no such inbox.
        """
        key = inbox_key(name)
        found = await self._store.read(newest(key, max, unread=unread_only))
        if not found and key not in self.names():
            raise UnknownNameError(f"there is no inbox {name!r}{suggest(key, self.names())}")
        return tuple(message for message, _ in found)

    async def recent(self, name: str, count: int, body_max: int | None = None) -> tuple[Cut, ...]:
        """Return the newest messages of a participant, oldest first, with cut bodies.

        Raises:
            TooLargeError: What is left of their bodies is too large for one answer.
        """
        return await self._store.read(newest(name, count, body_max=body_max))

    async def deliverable(
        self, name: str, count: int, now: float, body_max: int | None = None
    ) -> tuple[Cut, ...]:
        """Return the messages that a receiver would get at the wall time `now`, oldest first.

        If there are more than `count`, those of the operator are returned first, then those of the
        highest priority, then the newest.

        Raises:
            TooLargeError: What is left of their bodies is too large for one answer.
        """
        return await self._store.read(deliverable(name, count, now, body_max))


def _parties(message: Message) -> frozenset[str | None]:
    return frozenset({message.inbox, message.sender, queue_holder(message)})
