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

from hive.broker.effects import Effects
from hive.broker.inboxes import Inbox
from hive.broker.sessions import Session
from hive.broker.values import Moment
from hive.broker.wall_deadlines import WallDeadlines
from hive.store import Message, MessageKind, MessageState, Receipt, Step, receipts
from hive.store.messages import insert_values

_STORED, _LEASED, _ACKED = MessageState.STORED, MessageState.LEASED, MessageState.ACKED
_REMINDER = MessageKind.REMINDER

BODY_OVERHEAD = 256
"""Estimated bytes of a message in memory besides its body."""

ENDED_KEPT = 8192
"""Ids of ended messages that are kept apart in `MessageTable.ended`; about 1 MiB when all are."""

Ended = tuple[int, str, str, int]
"""Of a message that has ended: id, sender, inbox, number of the last session that leased it."""

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
        deferred: Times at which deferred messages are due.
        deferred_by: Number of the messages in `deferred` by the sender that deferred them, without
            those that were delivered before, and without reminders; none of 0.
        expiries: Times at which unleased messages expire.
        expiries_here: Times at which messages that were sent in this life of the daemon expire, in
            seconds of the loop, whether they are leased or not.
        loaded_offset: Wall time less loop time when the messages were loaded.
        body_bytes: Bytes of the bodies in memory.
        numbers: The row of each inbox on disk, by name.
        ended: Messages that ended lately, so that most replies to them need no lookup on disk. Each
            is at the place of its id modulo `ENDED_KEPT`: a bounded map that needs no bookkeeping.
    """

    last_id: int = 0
    effects: Effects = field(factory=Effects, init=False)
    inboxes: dict[str, Inbox] = field(factory=dict, init=False)
    messages: dict[int, Message] = field(factory=dict, init=False)
    sessions: dict[int, Session] = field(factory=dict, init=False)
    keyed: dict[SupersedeKey, dict[int, Message]] = field(factory=dict, init=False)
    deferred: WallDeadlines[int] = field(factory=WallDeadlines, init=False)
    deferred_by: dict[str, int] = field(factory=dict, init=False)
    expiries: WallDeadlines[int] = field(factory=lambda: WallDeadlines(needs_both=True), init=False)
    expiries_here: dict[int, float] = field(factory=dict, init=False)
    loaded_offset: float = field(default=0.0, init=False)
    body_bytes: int = field(default=0, init=False)
    numbers: dict[str, int] = field(factory=dict, init=False)
    ended: list[Ended | None] = field(factory=lambda: [None] * ENDED_KEPT, init=False)

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
        sender = message.sender
        if sender in inbox.sent:
            inbox.sent[sender] += 1
            inbox.sent_bytes[sender] += message.size
        else:
            inbox.sent[sender] = 1
            inbox.sent_bytes[sender] = message.size
        self.messages[message.id] = message
        if message.body is not None:
            self.body_bytes += message.size + BODY_OVERHEAD
        if message.supersede_key is not None:
            self.keyed.setdefault(supersede_key_of(message), {})[message.id] = message

    def put(
        self,
        message: Message,
        inbox: Inbox,
        sender: Session,
        now: Moment,
        *,
        is_delayed: bool = False,
    ) -> None:
        """Add a new message, stored or parked, with its row.

        Args:
            message: The message.
            inbox: Its inbox.
            sender: Who sends it.
            now: This moment.
            is_delayed: Whether it is deferred for some time, not until a time of the wall clock.
        """
        self.add(message, inbox)
        inbox.totals.received += 1
        if sender.inbox is not None:
            sender.inbox.totals.sent += 1
        if message.expires_at is not None:
            self.expiries_here[message.id] = now.loop + message.expires_at - now.wall
        if message.state is _STORED:
            self._queue(message, inbox, now if is_delayed else None)
        else:
            self._set_expiry(message)
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
        inbox.totals.delivered += 1
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
        self._put_back(message, reason, not_before, now, counted=counted)

    def withdraw(self, message: Message) -> None:
        """Undo a lease whose message was not handed over."""
        gone = "its receiver had gone before it was delivered"
        self._put_back(message, gone, None, None, counted=False)
        message.deliveries -= 1

    def release(self, message: Message, now: Moment) -> None:
        """Queue a parked message, as if a person had sent it now; it may be deferred for longer."""
        parked = Receipt(message.id, message.sent_at, Step.PARKED, reason=message.reason)
        self.effects.changes.receipts += [
            parked,
            Receipt(message.id, now.wall, Step.RELEASED),
        ]
        message.state = _STORED
        message.reason = None
        message.hops = 0
        if message.not_before is not None and message.not_before <= now.wall:
            message.not_before = None
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
        inbox.totals.acked += 1
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
        match state:
            case MessageState.ACKED:
                inbox.totals.acked += 1
            case MessageState.EXPIRED:
                inbox.totals.expired += 1
            case MessageState.DEAD:
                inbox.totals.dead += 1
        message.state = state
        message.ended_at = now.wall
        message.reason = reason
        inbox.compact()
        self.effects.changed[message.id] = message

    def find_ended(self, number: int) -> Ended | None:
        """Return what is known of a message that has ended; None if only the disk knows."""
        found = self.ended[number % ENDED_KEPT]
        return found if found is not None and found[0] == number else None

    def rename_ended(self, old: str, new: str) -> None:
        """Change the inbox of messages that ended lately."""
        self.ended = [
            (each[0], each[1], new, each[3]) if each is not None and each[2] == old else each
            for each in self.ended
        ]

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
        for number in self.deferred.pop_due(now):
            message = self.messages[number]
            inbox = self.inboxes[message.inbox]
            self._count_deferred(message, -1)
            inbox.queue(message)
            woken.append(inbox)
        return woken

    def evict_body(self, message: Message) -> None:
        """Remove a body from memory; it is read from disk with the next grant."""
        if message.body is not None and message.id in self.messages:
            message.body = None
            self.body_bytes -= message.size + BODY_OVERHEAD

    def load(
        self, messages: Iterable[Message], last_id: int, numbers: dict[str, int], now: Moment
    ) -> None:
        """Replace all messages by these, in the state that they have on disk.

        Effects are discarded, except answers.
        """
        self.messages.clear()
        self.effects = Effects(answers=self.effects.answers)
        self.deferred.clear()
        self.deferred_by.clear()
        self.expiries.clear()
        self.expiries_here.clear()
        self.loaded_offset = now.wall - now.loop
        self.keyed.clear()
        self.body_bytes = 0
        self.numbers = numbers
        self.ended = [None] * ENDED_KEPT  # what ended in a failed commit may not be on disk
        for inbox in self.inboxes.values():
            inbox.clear()
            inbox.number = numbers.get(inbox.name, 0)
        self.last_id = max(self.last_id, last_id)
        for message in messages:
            inbox = self.inbox(message.inbox)
            self.add(message, inbox)
            if message.state is _STORED:
                self._queue(message, inbox)
                if message.not_before is not None:
                    self._defer_loaded(message)
            elif message.state is not _LEASED:
                self._set_expiry(message)

    def _defer_loaded(self, message: Message) -> None:
        assert message.not_before is not None
        loop = message.not_before - self.loaded_offset
        self.deferred.set(message.id, loop=loop, wall=message.not_before)

    def _remove(self, message: Message, inbox: Inbox) -> None:
        number, sender = message.id, message.sender
        inbox.size -= message.size
        inbox.sent[sender] -= 1
        inbox.sent_bytes[sender] -= message.size
        if not inbox.sent[sender]:
            del inbox.sent[sender], inbox.sent_bytes[sender]
        del self.messages[number]
        self.ended[number % ENDED_KEPT] = (number, message.sender, inbox.name, message.session)
        if message.body is not None:
            self.body_bytes -= message.size + BODY_OVERHEAD
            message.body = None
        if message.not_before is not None and number in self.deferred:
            self.deferred.discard(number)
            self._count_deferred(message, -1)
        if message.expires_at is not None:
            self.expiries.discard(number)
            self.expiries_here.pop(number, None)
        if message.supersede_key is not None:
            self._remove_key(message)

    def _remove_key(self, message: Message) -> None:
        key = supersede_key_of(message)
        del self.keyed[key][message.id]
        if not self.keyed[key]:
            del self.keyed[key]

    def _put_back(
        self,
        message: Message,
        reason: str,
        not_before: float | None,
        now: Moment | None,
        *,
        counted: bool,
    ) -> None:
        inbox = self.inboxes[message.inbox]
        inbox.leased -= 1
        inbox.stored += 1
        message.state = _STORED
        message.attempts -= 0 if counted else 1
        message.leased_at = message.in_turn_at = None
        message.not_before = not_before
        message.reason = reason
        self._queue(message, inbox, now)
        self.effects.changed[message.id] = message

    def _queue(self, message: Message, inbox: Inbox, delayed: Moment | None = None) -> None:
        """Queue a message, or defer it; `delayed` is the moment at which a delay begins."""
        self._set_expiry(message)
        if message.not_before is None:
            inbox.queue(message)
        elif delayed is None:
            self.deferred.set(message.id, wall=message.not_before)
            self._count_deferred(message, 1)
        else:
            self.deferred.set(message.id, loop=delayed.loop + message.not_before - delayed.wall)
            self._count_deferred(message, 1)

    def _set_expiry(self, message: Message) -> None:
        """Let a message that is not leased expire in time, if it has a time to live."""
        number, wall = message.id, message.expires_at
        if wall is None:
            return
        here = self.expiries_here.get(number)
        if here is not None:
            self.expiries.set(number, loop=here)
        else:
            self.expiries.set(number, loop=wall - self.loaded_offset, wall=wall)

    def _count_deferred(self, message: Message, change: int) -> None:
        """Count a message that its sender has deferred, or count it no longer."""
        if message.deliveries or message.kind is _REMINDER:
            return
        count = self.deferred_by.get(message.sender, 0) + change
        if count:
            self.deferred_by[message.sender] = count
        else:
            del self.deferred_by[message.sender]


def supersede_key_of(message: Message) -> SupersedeKey:
    """Return the key that a message shares with those that it supersedes."""
    return message.sender, message.inbox, message.supersede_key or ""
