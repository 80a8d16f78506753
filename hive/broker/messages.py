"""All messages that are not at their end, and every way in which one changes its state.

    stored --lease--> leased --end--> acked | expired | dead
      ^ ^                |
      | +----requeue-----+         stored --end--> acked | expired | dead
      +--release-- parked          parked --end--> expired | dead

One method for each arrow; nothing else assigns a state. Each adds to the effects what must be
written: the row of a new message as it is made; the message whose row is behind; its receipts. The
most frequent change, the ack of a message whose row is as it was leased, is only its id and time.
No I/O, no clock, no futures.
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
from hive.store.messages import insertion

_STORED, _LEASED, _ACKED = MessageState.STORED, MessageState.LEASED, MessageState.ACKED

BODY_OVERHEAD = 256
"""Bytes of a message in memory beside its body."""

Succession = tuple[str, str, str]
"""Sender, inbox and supersede key."""


@define(eq=False)
class MessageTable:
    """The messages in memory and the inboxes that they are in.

    Attributes:
        last_id: The highest id ever given to a message.
        effects: What has been decided and not been written yet.
        inboxes: By name, also those whose participant is away.
        messages: By id.
        sessions: Those that are open, by number.
        keyed: The messages at hand for each sender, inbox and supersede key, by id.
        deferred: When messages that are not due yet are, in wall seconds.
        expiries: When messages that nobody has are given up, in wall seconds.
        body_bytes: Bytes of the bodies that are held in memory.
        numbers: The row of each inbox that was ever written to, by name.
    """

    last_id: int = 0
    effects: Effects = field(factory=Effects, init=False)
    inboxes: dict[str, Inbox] = field(factory=dict, init=False)
    messages: dict[int, Message] = field(factory=dict, init=False)
    sessions: dict[int, Session] = field(factory=dict, init=False)
    keyed: dict[Succession, dict[int, Message]] = field(factory=dict, init=False)
    deferred: Deadlines[int] = field(factory=Deadlines, init=False)
    expiries: Deadlines[int] = field(factory=Deadlines, init=False)
    body_bytes: int = field(default=0, init=False)
    numbers: dict[str, int] = field(factory=dict, init=False)

    def take_effects(self) -> Effects:
        """Return what has been decided since the last call."""
        effects, self.effects = self.effects, Effects()
        return effects

    def inbox(self, name: str) -> Inbox:
        """Return the inbox of that name, made if need be."""
        found = self.inboxes.get(name)
        if found is None:
            found = self.inboxes[name] = Inbox(name, self.numbers.get(name, 0))
        return found

    def hold(self, message: Message, inbox: Inbox) -> None:
        """Take a message in, in the state that it has."""
        inbox.size += message.size
        if message.state is _LEASED:
            inbox.leased += 1
        else:
            inbox.stored += 1
        self.messages[message.id] = message
        if message.body is not None:
            self.body_bytes += message.size + BODY_OVERHEAD
        if message.supersede_key is not None:
            self.keyed.setdefault(succession(message), {})[message.id] = message

    def put(self, message: Message, inbox: Inbox, sender: Session) -> None:
        """Take in a new message, stored or parked, under the next id."""
        self.hold(message, inbox)
        if message.state is _STORED:
            self._queue(message, inbox)
        self.introduce(inbox, sender)
        self.effects.inserted.append(message)
        self.effects.changes.whole += insertion(message, inbox.number, sender.number)

    def introduce(self, inbox: Inbox, session: Session) -> None:
        """Have the rows that a message names written with it, unless they are on disk."""
        if not inbox.number:
            inbox.number = self.numbers[inbox.name] = len(self.numbers) + 1
            self.effects.changes.inboxes.append((inbox.number, inbox.name))
        if not session.is_written:
            session.is_written = True
            self.effects.changes.sessions.append(session.row())

    def lease(self, message: Message, session: Session, lease: int, now: Moment) -> None:
        """Hand a stored message to a session; this is the delivery that is counted.

        Unless its row is yet to be made, it must be noted as changed.
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

    def begin(self, message: Message, now: Moment) -> None:
        """Note that the receiver of a leased message works on it; only the first time counts."""
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
        burn: bool = True,
    ) -> None:
        """Put a leased message back into its place; `burn` keeps the attempt counted."""
        steps = self.effects.changes.receipts
        steps += receipts.delivery(message)
        steps.append(Receipt(message.id, now.wall, step, message.attempts, message.session, reason))
        self._give_back(message, reason, not_before, burn=burn)

    def withdraw(self, message: Message) -> None:
        """Undo a lease whose delivery never left the daemon."""
        gone = "its receiver had gone before it was delivered"
        self._give_back(message, gone, None, burn=False)
        message.deliveries -= 1

    def release(self, message: Message, now: Moment) -> None:
        """Let a parked message be delivered after all, as if a person had sent it now."""
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
        """Take in a stored message that was at its end on disk and is not any more."""
        inbox = self.inbox(message.inbox)
        self.hold(message, inbox)
        self._queue(message, inbox)

    def ack(self, message: Message, now: Moment) -> None:
        """End a leased message whose work is done."""
        inbox = self.inboxes[message.inbox]
        inbox.leased -= 1
        self._let_go(message, inbox)
        message.state = _ACKED
        message.ended_at = now.wall
        effects = self.effects
        if message.id in effects.changed:
            return  # its whole row is written
        effects.changes.acked += (message.id, now.wall)

    def end(self, message: Message, state: MessageState, reason: str | None, now: Moment) -> None:
        """Bring a message to its end and let it go."""
        inbox = self.inboxes[message.inbox]
        if message.state is _LEASED:
            inbox.leased -= 1
        else:
            inbox.stored -= 1
        self._let_go(message, inbox)
        message.state = state
        message.ended_at = now.wall
        message.reason = reason
        inbox.forget_ended()
        self.effects.changed[message.id] = message

    def holder(self, message: Message) -> Session | None:
        """Return the session that a message was delivered to last, if it is still open."""
        return self.sessions.get(message.session)

    def drop(self, message: Message, lost: str | None = None) -> None:
        """Take a message from its holder, who is told why when it was `lost`."""
        holder = self.holder(message)
        if holder is None or holder.held.pop(message.id, None) is None:
            return
        if lost is not None:
            holder.lose(message.id, lost)

    def successor(self, message: Message) -> Message | None:
        """Return the newest message that takes the place of this one, None if there is none."""
        if message.supersede_key is None:
            return None
        newest = max(self.keyed[succession(message)])
        return self.keyed[succession(message)][newest] if newest > message.id else None

    def wake_deferred(self, now: Moment) -> list[Inbox]:
        """Make deferred messages deliverable whose time has come; return their inboxes."""
        woken = []
        for number in self.deferred.pop_due(now.wall):
            message = self.messages[number]
            inbox = self.inboxes[message.inbox]
            inbox.queue(message)
            woken.append(inbox)
        return woken

    def forget_body(self, message: Message) -> None:
        """Let go of a body that is on disk; who needs it reads it there."""
        if message.body is not None and message.id in self.messages:
            message.body = None
            self.body_bytes -= message.size + BODY_OVERHEAD

    def load(self, messages: Iterable[Message], last_id: int, numbers: dict[str, int]) -> None:
        """Forget everything and hold these instead, in the state that they were read in.

        Of what was decided, answers alone are kept.
        """
        self.messages.clear()
        self.effects = Effects(answers=self.effects.answers)
        self.deferred.clear()
        self.expiries.clear()
        self.keyed.clear()
        self.body_bytes = 0
        self.numbers = numbers
        for inbox in self.inboxes.values():
            inbox.empty()
            inbox.number = numbers.get(inbox.name, 0)
        self.last_id = max(self.last_id, last_id)
        for message in messages:
            inbox = self.inbox(message.inbox)
            self.hold(message, inbox)
            if message.state is _STORED:
                self._queue(message, inbox)

    def _let_go(self, message: Message, inbox: Inbox) -> None:
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
            self._forget_key(message)

    def _forget_key(self, message: Message) -> None:
        key = succession(message)
        del self.keyed[key][message.id]
        if not self.keyed[key]:
            del self.keyed[key]

    def _give_back(
        self, message: Message, reason: str, not_before: float | None, *, burn: bool
    ) -> None:
        inbox = self.inboxes[message.inbox]
        inbox.leased -= 1
        inbox.stored += 1
        message.state = _STORED
        message.attempts -= 0 if burn else 1
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


def succession(message: Message) -> Succession:
    """Return what a message shares with those that it replaces and that replace it."""
    return message.sender, message.inbox, message.supersede_key or ""
