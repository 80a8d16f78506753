"""All messages that are not at their end, and every way in which one changes its state.

    stored --lease--> leased --end--> acked | expired | dead
      ^ ^                |
      | +----requeue-----+         stored --end--> acked | expired | dead
      +--release-- parked          parked --end--> expired | dead

One method for each arrow; nothing else assigns a state. Each notes the message in `changed`, the
set of rows whose copy on disk is behind, and in `receipts` what its row no longer tells. The most
frequent change, the ack of a message whose row is as it was leased, is in `acked` instead. No I/O,
no clock, no futures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from attrs import define, field

from hive.broker.deadlines import Deadlines
from hive.broker.inbox import Inbox
from hive.broker.values import Moment, Receiver
from hive.store import Message, MessageState, Receipt, Step, receipts

R = TypeVar("R", bound=Receiver)

_STORED, _LEASED, _ACKED = MessageState.STORED, MessageState.LEASED, MessageState.ACKED

Succession = tuple[str, str, str]
"""Sender, inbox and supersede key."""


@define(eq=False)
class Mail(Generic[R]):
    """The messages in memory and the inboxes that they are in.

    Attributes:
        lease_seconds: How long a lease lasts unless it is extended.
        last_id: The highest id ever given to a message.
        inboxes: By name, also those whose participant is away.
        messages: By id.
        changed: Messages whose row must be written, by id, in the order of their first change.
        acked: Messages whose row must be written, of which only the end has changed.
        receipts: Steps that must be written with them.
        keyed: The messages at hand for each sender, inbox and supersede key, by id.
    """

    lease_seconds: float
    last_id: int = 0
    inboxes: dict[str, Inbox[R]] = field(factory=dict, init=False)
    messages: dict[int, Message] = field(factory=dict, init=False)
    changed: dict[int, Message] = field(factory=dict, init=False)
    acked: list[Message] = field(factory=list, init=False)
    receipts: list[Receipt] = field(factory=list, init=False)
    keyed: dict[Succession, dict[int, Message]] = field(factory=dict, init=False)
    leases: Deadlines[int] = field(factory=Deadlines, init=False)
    deferred: Deadlines[int] = field(factory=Deadlines, init=False)
    expiries: Deadlines[int] = field(factory=Deadlines, init=False)

    @property
    def is_ahead(self) -> bool:
        """Whether rows must be written."""
        return bool(self.changed or self.acked)

    @property
    def is_only_acked(self) -> bool:
        """Whether all that must be written is the end of messages that were leased."""
        return bool(self.acked) and not self.changed

    def take_changes(self) -> tuple[Iterable[Message], Sequence[Message], Sequence[Receipt]]:
        """Return what is in `changed`, `acked` and `receipts`, and begin these anew."""
        taken = self.changed.values(), self.acked, self.receipts
        self.changed, self.acked, self.receipts = {}, [], []
        return taken

    def inbox(self, name: str) -> Inbox[R]:
        """Return the inbox of that name, made if need be."""
        found = self.inboxes.get(name)
        if found is None:
            found = self.inboxes[name] = Inbox(name)
        return found

    def put(self, message: Message) -> None:
        """Take in a new message, stored or parked, under the next id."""
        self._hold(message)
        if message.state is _STORED:
            self._queue(message)
        self.changed[message.id] = message

    def lease(self, message: Message, session: str, lease: str, now: Moment) -> None:
        """Hand a stored message to a session; this is the delivery that is counted."""
        inbox = self.inboxes[message.inbox]
        inbox.stored -= 1
        inbox.leased += 1
        message.state = _LEASED
        message.attempts += 1
        message.deliveries += 1
        message.lease = lease
        message.session = session
        message.leased_at = now.wall
        message.in_turn_at = None
        message.not_before = None
        message.reason = None
        self.leases.set(message.id, now.loop + self.lease_seconds)
        self.changed[message.id] = message

    def begin(self, message: Message, now: Moment) -> None:
        """Note that the receiver of a leased message works on it; only the first time counts."""
        if message.in_turn_at is None:
            message.in_turn_at = now.wall
            self.changed[message.id] = message

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
        self.receipts += receipts.delivery(message)
        self.receipts.append(
            Receipt(message.id, now.wall, step, message.attempts, message.session, reason)
        )
        self._give_back(message, reason, not_before, burn=burn)

    def withdraw(self, message: Message) -> None:
        """Undo a lease whose delivery never left the daemon."""
        gone = "its receiver had gone before it was delivered"
        self._give_back(message, gone, None, burn=False)
        message.deliveries -= 1

    def release(self, message: Message, now: Moment) -> None:
        """Let a parked message be delivered after all, as if a person had sent it now."""
        parked = Receipt(message.id, message.sent_at, Step.PARKED, reason=message.reason)
        self.receipts += [parked, Receipt(message.id, now.wall, Step.RELEASED)]
        message.state = _STORED
        message.reason = None
        message.hops = 0
        self._queue(message)
        self.changed[message.id] = message

    def restore(self, message: Message) -> None:
        """Take in a stored message that was at its end on disk and is not any more."""
        self._hold(message)
        self._queue(message)

    def end(self, message: Message, state: MessageState, reason: str | None, now: Moment) -> None:
        """Bring a message to its end and let it go."""
        inbox = self.inboxes[message.inbox]
        is_usual = (
            message.state is _LEASED
            and state is _ACKED
            and reason is None
            and message.id not in self.changed
        )
        if message.state is _LEASED:
            inbox.leased -= 1
        else:
            inbox.stored -= 1
        inbox.size -= message.size
        self.leases.discard(message.id)
        self.deferred.discard(message.id)
        self.expiries.discard(message.id)
        if message.supersede_key is not None:
            self._forget_key(message)
        message.state = state
        message.ended_at = now.wall
        message.reason = reason
        del self.messages[message.id]
        if is_usual:
            self.acked.append(message)
        else:
            self.changed[message.id] = message

    def successor(self, message: Message) -> Message | None:
        """Return the newest message that takes the place of this one, None if there is none."""
        if message.supersede_key is None:
            return None
        newest = max(self.keyed[succession(message)])
        return self.keyed[succession(message)][newest] if newest > message.id else None

    def extend(self, number: int, until: float) -> None:
        """Let the lease of a message last until a time of the loop."""
        self.leases.set(number, until)

    def wake_deferred(self, now: Moment) -> list[Inbox[R]]:
        """Make deferred messages deliverable whose time has come; return their inboxes."""
        woken = []
        for number in self.deferred.pop_due(now.wall):
            message = self.messages[number]
            inbox = self.inboxes[message.inbox]
            inbox.queue(message)
            woken.append(inbox)
        return woken

    def load(self, messages: Iterable[Message], last_id: int) -> None:
        """Forget everything and hold these instead, in the state that they were read in."""
        self.messages.clear()
        self.take_changes()
        self.leases.clear()
        self.deferred.clear()
        self.expiries.clear()
        self.keyed.clear()
        for name, old in self.inboxes.items():
            self.inboxes[name] = old.emptied()
        self.last_id = max(self.last_id, last_id)
        for message in messages:
            self._hold(message)
            if message.state is _STORED:
                self._queue(message)

    def _hold(self, message: Message) -> None:
        inbox = self.inbox(message.inbox)
        inbox.size += message.size
        if message.state is _LEASED:
            inbox.leased += 1
        else:
            inbox.stored += 1
        self.messages[message.id] = message
        if message.supersede_key is not None:
            self.keyed.setdefault(succession(message), {})[message.id] = message

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
        self.leases.discard(message.id)
        message.state = _STORED
        message.attempts -= 0 if burn else 1
        message.leased_at = message.in_turn_at = None
        message.not_before = not_before
        message.reason = reason
        self._queue(message)
        self.changed[message.id] = message

    def _queue(self, message: Message) -> None:
        if message.expires_at is not None:
            self.expiries.set(message.id, message.expires_at)
        if message.not_before is None:
            self.inboxes[message.inbox].queue(message)
        else:
            self.deferred.set(message.id, message.not_before)


def succession(message: Message) -> Succession:
    """Return what a message shares with those that it replaces and that replace it."""
    return message.sender, message.inbox, message.supersede_key or ""
