"""The rules of delivery: who may send what, who gets what, who may ack it.

Pure: no I/O, no clock, no futures. Each verb changes the mail in memory at once and leaves behind
what is to be done about it: rows to write (`mail.changed`) and mail to hand over (`grants`).
Whoever drives the rules writes the rows first and hands the mail over afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from attrs import define, field, frozen

from hive.broker import addressing, admission
from hive.broker.deadlines import Deadlines
from hive.broker.inbox import Inbox, Parked
from hive.broker.mail import Mail
from hive.broker.values import Draft, Moment, NackMode, Receiver, Sent, Skipped
from hive.config import Limits
from hive.errors import ConflictError, HiveError, NotFoundError
from hive.names import EVERYONE, OPERATOR
from hive.store import Kind, Message, MessageKind, MessageState, Origin

R = TypeVar("R", bound=Receiver)

LEASE_EXPIRED = "its lease expired"
SESSION_ENDED = "the session that held it ended"
DAEMON_ENDED = "the daemon that had delivered it ended"
REQUEUED = "its participant put all its mail back"


@define(eq=False)
class Session:
    """One connection of a participant.

    Attributes:
        held: Ids of the messages that are leased to it, in the order of their delivery.
        lost: Messages that it held and lost since its last `ack_turn`, and why.
    """

    id: str
    participant: str
    origin: Origin
    held: dict[int, Message] = field(factory=dict)
    lost: dict[int, str] = field(factory=dict)


@frozen
class Grant(Generic[R]):
    """Mail for a receiver, to be handed over once its leases are on disk; may be empty."""

    receiver: R
    lease: str
    messages: Sequence[Message]

    def current(self) -> list[Message]:
        """Return the messages that are still leased under this grant."""
        return [
            message
            for message in self.messages
            if message.lease == self.lease and message.state is MessageState.LEASED
        ]


@frozen
class Stale:
    """A message that could not be acked or given back.

    Attributes:
        id: Which one.
        why: What happened to it; None when it is not in memory and the disk must be asked.
    """

    id: int
    why: str | None


class Rules(Generic[R]):
    """The state machine of all inboxes.

    Args:
        limits: What senders may store and how long a lease lasts.
        epoch: Number of this life of the broker; part of every lease.
    """

    def __init__(self, limits: Limits, epoch: int = 0) -> None:
        self.limits = limits
        self.epoch = epoch
        self.mail: Mail[R] = Mail(limits.lease_seconds)
        self.sessions: dict[str, Session] = {}
        self.grants: list[Grant[R]] = []
        self._waits: Deadlines[Parked[R]] = Deadlines()
        self._granted = 0
        self.add_inbox(OPERATOR, Kind.OPERATOR)

    # Inboxes and sessions

    def add_inbox(self, name: str, kind: Kind, *, broadcast: bool = False) -> None:
        """Let a participant take part; mail that waits under its name is its own again."""
        inbox = self.mail.inbox(name)
        inbox.kind = kind
        inbox.broadcast = broadcast

    def remove_inbox(self, name: str, now: Moment, *, force: bool, purge: bool) -> None:
        """Take a participant out.

        Unread mail stays for whoever registers under the name again; with `purge` it is dead.

        Raises:
            ConflictError: When it has unread mail and neither `force` nor `purge`.
        """
        inbox = self.mail.inbox(addressing.one(name, self.mail.inboxes))
        if inbox.unread and not (force or purge):
            raise ConflictError(
                f"{name!r} has {inbox.unread} unread messages; "
                "let it read them, or force its removal and they stay for its return"
            )
        for session in [found for found in self.sessions.values() if found.participant == name]:
            self.close_session(session.id, now)
        inbox.kind = None
        if purge:
            self._purge(name, now)
        if inbox.is_forgotten:
            del self.mail.inboxes[name]

    def pause_inbox(self, name: str, paused: bool, now: Moment) -> None:
        """Hold an inbox's mail back, or let it flow again."""
        inbox = self.mail.inbox(name)
        inbox.paused = paused
        self._serve(inbox, now)

    def open_session(self, session: str, participant: str, origin: Origin) -> None:
        """Note a new connection of a participant."""
        self.sessions[session] = Session(session, participant, origin)

    def close_session(self, session: str, now: Moment) -> None:
        """Forget a connection: its mail is deliverable again at once."""
        closed = self.sessions.pop(session, None)
        if closed is None:
            return
        inbox = self.mail.inbox(closed.participant)
        for parked in [found for found in inbox.parked.values() if found.session == session]:
            self._unpark(inbox, parked)
            self.grants.append(Grant(parked.receiver, "", ()))
        for message in closed.held.values():
            self.mail.requeue(message, SESSION_ENDED)
        self._serve(inbox, now)

    def extend(self, session: str, now: Moment) -> None:
        """Let the leases of a session that is alive last their whole time from now on."""
        found = self.sessions.get(session)
        if found is not None:
            self.mail.extend(found.held, now)

    # Sending

    def send(self, draft: Draft, now: Moment) -> Sent:
        """Store a message in the inboxes that it is for.

        Raises:
            HiveError: When nothing was stored, with the reason.
        """
        size = admission.check_draft(draft, self.limits, self.mail.last_id)
        names = addressing.recipients(draft.to, draft.sender, self.mail.inboxes)
        ids: list[int] = []
        reached: list[str] = []
        refused: list[tuple[str, HiveError]] = []
        for name in names:
            inbox = self.mail.inboxes[name]
            error = admission.refusal(inbox, draft.sender_kind, size, self.limits)
            if error is not None:
                refused.append((name, error))
            elif not draft.transient or self._is_heard(inbox):
                reached.append(name)
                ids.append(self._store(draft, inbox, size, now))
        if refused and not reached:
            raise refused[0][1]
        skipped = tuple(Skipped(name, str(error)) for name, error in refused)
        return Sent(tuple(ids), tuple(reached), skipped)

    def _store(self, draft: Draft, inbox: Inbox[R], size: int, now: Moment) -> int:
        self.mail.last_id += 1
        message = Message(
            self.mail.last_id,
            inbox.name,
            draft.sender,
            draft.sender_kind,
            MessageKind.BROADCAST if draft.to == EVERYONE else draft.kind,
            size,
            now.wall,
            in_reply_to=draft.in_reply_to,
            label=draft.label,
            body=draft.body,
            origin=draft.origin,
        )
        self.mail.put(message)
        self._serve(inbox, now)
        return message.id

    # Receiving

    def recv(self, session: str, receiver: R, count: int, wait: float, now: Moment) -> None:
        """Grant mail to a receiver: at once if there is any, else within `wait` seconds.

        Raises:
            NotFoundError: When the session is not open.
        """
        found = self._session(session)
        inbox = self.mail.inbox(found.participant)
        parked = Parked(receiver, session, inbox.name, count)
        if count > 0 and inbox.deliverable:
            self._grant(inbox, parked, now)
        elif count > 0 and wait > 0:
            inbox.parked[receiver] = parked
            self._waits.set(parked, now.loop + wait)
        else:
            self.grants.append(Grant(receiver, "", ()))

    def take_grants(self) -> list[Grant[R]]:
        """Return the grants made since the last call."""
        grants, self.grants = self.grants, []
        return grants

    def withdraw(self, grant: Grant[R], now: Moment) -> None:
        """Take back a grant that could not be handed over; no attempt is counted."""
        for message in grant.current():
            self._drop_held(message)
            self.mail.withdraw(message)
            self._serve(self.mail.inboxes[message.inbox], now)

    def unpark_all(self) -> list[R]:
        """Return all receivers that wait, which no longer do."""
        receivers = [receiver for inbox in self.mail.inboxes.values() for receiver in inbox.parked]
        for inbox in self.mail.inboxes.values():
            inbox.parked.clear()
        self._waits.clear()
        return receivers

    def _serve(self, inbox: Inbox[R], now: Moment) -> None:
        while inbox.parked and inbox.deliverable:
            parked = next(iter(inbox.parked.values()))
            self._unpark(inbox, parked)
            if not parked.receiver.expired:
                self._grant(inbox, parked, now)

    def _grant(self, inbox: Inbox[R], parked: Parked[R], now: Moment) -> None:
        self._granted += 1
        lease = f"{self.epoch}-{self._granted}"
        messages = inbox.take(parked.max)
        held = self.sessions[parked.session].held
        for message in messages:
            self.mail.lease(message, parked.session, lease, now)
            held[message.id] = message
        self.grants.append(Grant(parked.receiver, lease, messages))

    def _is_heard(self, inbox: Inbox[R]) -> bool:
        waits = any(not receiver.expired for receiver in inbox.parked)
        return waits and not inbox.paused

    def _unpark(self, inbox: Inbox[R], parked: Parked[R]) -> None:
        inbox.parked.pop(parked.receiver, None)
        self._waits.discard(parked)

    # Ending

    def ack(
        self, session: str, ids: Sequence[int], lease: str | None, now: Moment
    ) -> tuple[Stale, ...]:
        """Note that the work for these messages is done; return those that it cannot be said of.

        A message counts as held if it is leased to this session, or under the given lease.
        """
        holder = self._session(session)
        stale: list[Stale] = []
        for number in ids:
            message = self._held(holder, number, lease)
            if isinstance(message, Stale):
                stale.append(message)
            else:
                self._drop_held(message)
                self.mail.end(message, MessageState.ACKED, None, now)
        return tuple(stale)

    def ack_turn(self, session: str, now: Moment) -> tuple[Stale, ...]:
        """Ack all that a session holds; return what it held and lost since the last time."""
        holder = self._session(session)
        for message in holder.held.values():
            self.mail.end(message, MessageState.ACKED, None, now)
        lost = tuple(Stale(number, why) for number, why in holder.lost.items())
        holder.held.clear()
        holder.lost.clear()
        return lost

    def nack(
        self,
        session: str,
        number: int,
        mode: NackMode,
        now: Moment,
        *,
        delay: float | None = None,
        reason: str | None = None,
        lease: str | None = None,
    ) -> tuple[Stale, ...]:
        """Give one message back: `DEFER` burns no attempt, `REJECT` never delivers it again."""
        message = self._held(self._session(session), number, lease)
        if isinstance(message, Stale):
            return (message,)
        self._drop_held(message)
        if mode is NackMode.REJECT:
            self.mail.end(message, MessageState.DEAD, reason or "rejected by its receiver", now)
            return ()
        self.mail.requeue(
            message,
            reason or ("deferred" if mode is NackMode.DEFER else "its receiver failed"),
            not_before=now.wall + delay if delay else None,
            burn=mode is NackMode.FAIL,
        )
        self._serve(self.mail.inboxes[message.inbox], now)
        return ()

    def requeue_inflight(self, session: str, now: Moment) -> int:
        """Put back all that any session of this session's participant holds; return how many."""
        own = self._session(session)
        own.lost.clear()
        inbox = self.mail.inbox(own.participant)
        count = 0
        for other in self.sessions.values():
            if other.participant == own.participant:
                count += len(other.held)
                for message in other.held.values():
                    self._note_lost(other, own, message)
                    self.mail.requeue(message, REQUEUED)
                other.held.clear()
        self._serve(inbox, now)
        return count

    def mark_read(self, name: str, ids: Iterable[int], now: Moment) -> int:
        """End messages that were read without a lease, as the operator does; return how many."""
        count = 0
        for number in ids:
            message = self.mail.messages.get(number)
            if (
                message is not None
                and message.inbox == name
                and message.state is MessageState.STORED
            ):
                self.mail.end(message, MessageState.ACKED, "read", now)
                count += 1
        return count

    # Time

    def advance(self, now: Moment) -> None:
        """Do what is due: leases expire, deferred mail returns, receivers stop waiting."""
        expired = [self.mail.messages[number] for number in self.mail.leases.pop_due(now.loop)]
        for message in expired:
            self._drop_held(message, lost=LEASE_EXPIRED)
            self.mail.requeue(message, LEASE_EXPIRED)
        due = {message.inbox: self.mail.inboxes[message.inbox] for message in expired}
        due.update((inbox.name, inbox) for inbox in self.mail.wake_deferred(now))
        for inbox in due.values():
            self._serve(inbox, now)
        for parked in self._waits.pop_due(now.loop):
            self.mail.inboxes[parked.inbox].parked.pop(parked.receiver, None)
            self.grants.append(Grant(parked.receiver, "", ()))

    def delay(self, now: Moment) -> float | None:
        """Return the seconds until `advance` has something to do, None for never."""
        loop = [when for when in (self.mail.leases.next(), self._waits.next()) if when is not None]
        delays = [when - now.loop for when in loop]
        deferred = self.mail.deferred.next()
        if deferred is not None:
            delays.append(deferred - now.wall)
        return max(0.0, min(delays)) if delays else None

    # Restart

    def load(self, messages: Sequence[Message], last_id: int, now: Moment) -> None:
        """Take over what is on disk, in place of everything in memory but sessions and inboxes.

        A lease whose session is still open goes on; any other is over.
        """
        for session in self.sessions.values():
            session.held.clear()
        self.grants.clear()
        self.mail.load(messages, last_id)
        for message in messages:
            if message.state is MessageState.LEASED:
                self._resume(message, now)
        for inbox in list(self.mail.inboxes.values()):
            self._serve(inbox, now)

    def _resume(self, message: Message, now: Moment) -> None:
        holder = self.sessions.get(message.session or "")
        if holder is not None and (message.lease or "").startswith(f"{self.epoch}-"):
            holder.held[message.id] = message
            self.mail.extend((message.id,), now)
        else:
            self.mail.requeue(message, DAEMON_ENDED)

    # Fencing

    def _session(self, session: str) -> Session:
        found = self.sessions.get(session)
        if found is None:
            raise NotFoundError(f"the session {session!r} is not open; connect again")
        return found

    def _held(self, holder: Session, number: int, lease: str | None) -> Message | Stale:
        message = self.mail.messages.get(number)
        if message is None:
            return Stale(number, None)
        if message.inbox != holder.participant:
            return Stale(number, "is not in this inbox")
        if message.state is not MessageState.LEASED:
            return Stale(number, _why_stored(message))
        if message.lease != lease and (lease is not None or message.session != holder.id):
            return Stale(number, f"is now leased as {message.lease}, attempt {message.attempts}")
        return message

    def _drop_held(self, message: Message, lost: str | None = None) -> None:
        holder = self.sessions.get(message.session or "")
        if holder is not None:
            holder.held.pop(message.id, None)
            if lost is not None:
                holder.lost[message.id] = lost

    def _note_lost(self, loser: Session, cause: Session, message: Message) -> None:
        if loser is not cause:
            loser.lost[message.id] = REQUEUED

    def _purge(self, name: str, now: Moment) -> None:
        for message in [found for found in self.mail.messages.values() if found.inbox == name]:
            self.mail.end(message, MessageState.DEAD, "its inbox was purged", now)


def _why_stored(message: Message) -> str:
    if not message.deliveries:
        return "was not delivered yet"
    return f"went back to the inbox ({message.reason}) after attempt {message.attempts}"
