"""The messages that have not ended, and every change of their state.

    stored --lease--> leased --end--> acked | expired | dead
      ^ ^                |
      | +----requeue-----+         stored --end--> acked | expired | dead
      +--release-- parked          parked --end--> expired | dead

A new message is stored or parked; after that there is one method for each arrow, and nothing else
assigns a state. Each method adds to the effects what must be written: the row of a new message, a
message whose row is outdated, its receipts. The most frequent change, the ack of a message whose
row is up to date, is written as an id and a time. No I/O, no clock, no futures.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from hive.broker.deadlines import Deadlines
from hive.broker.effects import Effects
from hive.broker.inboxes import Inbox
from hive.broker.sessions import Session
from hive.broker.values import Moment
from hive.store import Message, MessageState, Receipt, Step, receipts
from hive.store.messages import insert_values

_STORED, _LEASED, _ACKED = MessageState.STORED, MessageState.LEASED, MessageState.ACKED

BODY_OVERHEAD = 256
"""Estimated bytes of a message in memory besides its body."""

SupersedeKey = tuple[str, str, str]
"""Sender, inbox and supersede key."""


@define(eq=False)
class MessageTable:
    """The messages in memory, their inboxes and sessions, and the effects of decisions.

    Attributes:
        last_id: The highest id that a message ever had.
        effects: The effects that are not in a commit yet.
        inboxes: All inboxes by name, also those without a participant.
        messages: The messages by id.
        sessions: The open sessions by number.
        keyed: The messages with a supersede key, by sender, inbox and key, then by id.
        deferred: Times at which deferred messages are due, in wall seconds.
        expiries: Times at which unleased messages expire, in wall seconds.
        body_bytes: Bytes of the bodies in memory.
        numbers: The row of each inbox on disk, by name.
    """

    last_id: int = 0
    effects: Effects = field(factory=Effects, init=False)
    inboxes: dict[str, Inbox] = field(factory=dict, init=False)
    messages: dict[int, Message] = field(factory=dict, init=False)
    sessions: dict[int, Session] = field(factory=dict, init=False)
    keyed: dict[SupersedeKey, dict[int, Message]] = field(factory=dict, init=False)
    deferred: Deadlines[int] = field(factory=Deadlines, init=False)
    expiries: Deadlines[int] = field(factory=Deadlines, init=False)
    body_bytes: int = field(default=0, init=False)
    numbers: dict[str, int] = field(factory=dict, init=False)

    def take_effects(self) -> Effects:
        """Return the effects since the last call, and begin new ones."""
        effects, self.effects = self.effects, Effects()
        return effects

    def inbox(self, name: str) -> Inbox:
        """Return the inbox of that name; it is created if there is none."""
        found = self.inboxes.get(name)
        if found is None:
            found = self.inboxes[name] = Inbox(name, self.numbers.get(name, 0))
        return found

    def add(self, message: Message, inbox: Inbox) -> None:
        """Add a message in its present state, without queueing it."""
        inbox.size += message.size
        if message.state is _LEASED:
            inbox.leased += 1
        else:
            inbox.stored += 1
        self.messages[message.id] = message
        if message.body is not None:
            self.body_bytes += message.size + BODY_OVERHEAD
        if message.supersede_key is not None:
            self.keyed.setdefault(supersede_key_of(message), {})[message.id] = message

    def put(self, message: Message, inbox: Inbox, sender: Session) -> None:
        """Add a new message, stored or parked, with its row."""
        self.add(message, inbox)
        if message.state is _STORED:
            self._queue(message, inbox)
        self.ensure_rows(inbox, sender)
        self.effects.inserted.append(message)
        self.effects.changes.inserted_full += insert_values(message, inbox.number, sender.number)

    def ensure_rows(self, inbox: Inbox, session: Session) -> None:
        """Add the rows of an inbox and a session to the effects, unless they are on disk."""
        if not inbox.number:
            inbox.number = self.numbers[inbox.name] = len(self.numbers) + 1
            self.effects.changes.inboxes.append((inbox.number, inbox.name))
        if not session.is_written:
            session.is_written = True
            self.effects.changes.sessions.append(session.row())

    def lease(self, message: Message, session: Session, lease: int, now: Moment) -> None:
        """Lease a stored message to a session; attempts and deliveries are counted here.

        The caller adds it to `effects.changed`, unless its row is inserted later in the same
        decision.
        """
        inbox = self.inboxes[message.inbox]
        inbox.stored -= 1
        inbox.leased += 1
        message.state = _LEASED
        message.attempts += 1
        message.deliveries += 1
        message.lease = lease
        message.session = session.number
        message.leased_at = now.wall
        message.leased_loop = now.loop
        message.in_turn_at = None
        message.not_before = None
        message.reason = None
        session.held[message.id] = message

    def mark_in_turn(self, message: Message, now: Moment) -> None:
        """Record that the receiver of a leased message works on it; only the first time counts."""
        if message.in_turn_at is None:
            message.in_turn_at = now.wall
            self.effects.changed[message.id] = message

    def requeue(
        self,
        message: Message,
        reason: str,
        now: Moment,
        *,
        step: Step = Step.RETURNED,
        not_before: float | None = None,
        counted: bool = True,
    ) -> None:
        """Return a leased message to its place; `counted` says whether its attempt counts."""
        steps = self.effects.changes.receipts
        steps += receipts.delivery(message)
        steps.append(Receipt(message.id, now.wall, step, message.attempts, message.session, reason))
        if not message.deliveries % receipts.TRIM_EVERY:
            self.effects.changes.crowded.append(message.id)
        self._put_back(message, reason, not_before, counted=counted)

    def withdraw(self, message: Message) -> None:
        """Undo a lease whose message was not handed over."""
        gone = "its receiver had gone before it was delivered"
        self._put_back(message, gone, None, counted=False)
        message.deliveries -= 1

    def release(self, message: Message, now: Moment) -> None:
        """Queue a parked message, as if a person had sent it now."""
        parked = Receipt(message.id, message.sent_at, Step.PARKED, reason=message.reason)
        self.effects.changes.receipts += [
            parked,
            Receipt(message.id, now.wall, Step.RELEASED),
        ]
        message.state = _STORED
        message.reason = None
        message.hops = 0
        self._queue(message, self.inboxes[message.inbox])
        self.effects.changed[message.id] = message

    def restore(self, message: Message) -> None:
        """Add a message that was a dead letter on disk and is stored again."""
        inbox = self.inbox(message.inbox)
        self.add(message, inbox)
        self._queue(message, inbox)

    def ack(self, message: Message, now: Moment) -> None:
        """End a leased message as acked."""
        inbox = self.inboxes[message.inbox]
        inbox.leased -= 1
        self._remove(message, inbox)
        message.state = _ACKED
        message.ended_at = now.wall
        effects = self.effects
        if message.id in effects.changed:
            return  # its row is written as a whole
        effects.changes.acked += (message.id, now.wall)

    def end(self, message: Message, state: MessageState, reason: str | None, now: Moment) -> None:
        """End a message of any state and remove it."""
        inbox = self.inboxes[message.inbox]
        if message.state is _LEASED:
            inbox.leased -= 1
        else:
            inbox.stored -= 1
        self._remove(message, inbox)
        message.state = state
        message.ended_at = now.wall
        message.reason = reason
        inbox.compact()
        self.effects.changed[message.id] = message

    def holder(self, message: Message) -> Session | None:
        """Return the session of a message's last lease, if it is open."""
        return self.sessions.get(message.session)

    def unassign(self, message: Message, lost: str | None = None) -> None:
        """Remove a message from its holder; with `lost`, record there why it was lost."""
        holder = self.holder(message)
        if holder is None or holder.held.pop(message.id, None) is None:
            return
        if lost is not None:
            holder.record_lost(message.id, lost)

    def successor(self, message: Message) -> Message | None:
        """Return the newest message that supersedes this one, None if there is none."""
        if message.supersede_key is None:
            return None
        newest = max(self.keyed[supersede_key_of(message)])
        return self.keyed[supersede_key_of(message)][newest] if newest > message.id else None

    def queue_deferred(self, now: Moment) -> list[Inbox]:
        """Queue the deferred messages that are due; return their inboxes."""
        woken = []
        for number in self.deferred.pop_due(now.wall):
            message = self.messages[number]
            inbox = self.inboxes[message.inbox]
            inbox.queue(message)
            woken.append(inbox)
        return woken

    def evict_body(self, message: Message) -> None:
        """Remove a body from memory; it is read from disk with the next grant."""
        if message.body is not None and message.id in self.messages:
            message.body = None
            self.body_bytes -= message.size + BODY_OVERHEAD

    def load(self, messages: Iterable[Message], last_id: int, numbers: dict[str, int]) -> None:
        """Replace all messages by these, in the state that they have on disk.

        Effects are discarded, except answers.
        """
        self.messages.clear()
        self.effects = Effects(answers=self.effects.answers)
        self.deferred.clear()
        self.expiries.clear()
        self.keyed.clear()
        self.body_bytes = 0
        self.numbers = numbers
        for inbox in self.inboxes.values():
            inbox.clear()
            inbox.number = numbers.get(inbox.name, 0)
        self.last_id = max(self.last_id, last_id)
        for message in messages:
            inbox = self.inbox(message.inbox)
            self.add(message, inbox)
            if message.state is _STORED:
                self._queue(message, inbox)

    def _remove(self, message: Message, inbox: Inbox) -> None:
        number = message.id
        inbox.size -= message.size
        del self.messages[number]
        if message.body is not None:
            self.body_bytes -= message.size + BODY_OVERHEAD
            message.body = None
        if message.not_before is not None:
            self.deferred.discard(number)
        if message.expires_at is not None:
            self.expiries.discard(number)
        if message.supersede_key is not None:
            self._remove_key(message)

    def _remove_key(self, message: Message) -> None:
        key = supersede_key_of(message)
        del self.keyed[key][message.id]
        if not self.keyed[key]:
            del self.keyed[key]

    def _put_back(
        self, message: Message, reason: str, not_before: float | None, *, counted: bool
    ) -> None:
        inbox = self.inboxes[message.inbox]
        inbox.leased -= 1
        inbox.stored += 1
        message.state = _STORED
        message.attempts -= 0 if counted else 1
        message.leased_at = message.in_turn_at = None
        message.not_before = not_before
        message.reason = reason
        self._queue(message, inbox)
        self.effects.changed[message.id] = message

    def _queue(self, message: Message, inbox: Inbox) -> None:
        if message.expires_at is not None:
            self.expiries.set(message.id, message.expires_at)
        if message.not_before is None:
            inbox.queue(message)
        else:
            self.deferred.set(message.id, message.not_before)


def supersede_key_of(message: Message) -> SupersedeKey:
    """Return the key that a message shares with those that it supersedes."""
    return message.sender, message.inbox, message.supersede_key or ""
