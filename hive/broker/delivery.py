"""Delivery: who gets what, for how long, and what becomes of what comes back.

    served     mail that is there goes to who waits, first come first served, under a lease
    returned   a lease is over: the message goes back to its place, or is a dead letter
    expired    nobody had it in time
    waited     a receiver has waited long enough and gets nothing

Pure: no I/O, no clock, no futures. Everything here changes the messages in memory at once and adds
to `table.effects` what is to be done about it.
"""

from __future__ import annotations

from hive.broker import retry
from hive.broker.deadlines import Waits
from hive.broker.effects import Grant
from hive.broker.inboxes import Inbox
from hive.broker.messages import MessageTable
from hive.broker.notices import NOTIFIED_SENDERS, Notice
from hive.broker.sending import Sending
from hive.broker.sessions import LEASE_EXPIRED, FutureSession, Parked, Session
from hive.broker.values import Moment, Post
from hive.config import Limits
from hive.errors import HiveError
from hive.names import SYSTEM
from hive.store import Kind, Message, MessageState, Step
from hive.store.records import numbered
from hive.store.schema import SYSTEM_SESSION
from hive.wire.rows import Received

_LEASED, _PARKED, _DEAD = MessageState.LEASED, MessageState.PARKED, MessageState.DEAD


class DeliveryRules:
    """What happens to mail by itself, as time passes and receivers come and go.

    Args:
        limits: What senders may store and how long a lease lasts.
        epoch: Number of this life of the broker; part of every lease and session.

    Attributes:
        handed_over: The newest lease whose mail has left the broker. Leases are numbered in the
            order in which they are on disk, so any with a higher number has not.
        table: The messages, their inboxes and sessions, and what was decided about them.
        sending: The general way in.
        system: Who sends what the daemon itself has to say.
        is_due_changed: Whether something may be due earlier than before; whoever drives the rules
            looks at `delay` then.
    """

    def __init__(self, limits: Limits, epoch: int = 0) -> None:
        self.limits = limits
        self.table = MessageTable()
        self.sending = Sending(self.table, limits)
        self.system = FutureSession(SYSTEM, Kind.SYSTEM)
        self.system.number = SYSTEM_SESSION
        self.system.is_open = self.system.is_written = True
        self.is_due_changed = False
        self._waits = Waits()
        self._lease_due: float | None = None
        self._last_lease = self.handed_over = numbered(epoch, 0)

    # Receivers

    def _serve(self, inbox: Inbox, now: Moment) -> None:
        if self.table.expiries.entries:
            self._expire(now)
        while inbox.parked and (served := inbox.next_served()):
            parked, taken = served
            self._unpark(parked)
            self._grant(parked, taken, now)

    def _first_waiting(self, inbox: Inbox) -> Parked | None:
        """Return who gets a new plain message at once, None if it has to wait its turn."""
        if not inbox.parked or inbox.ready or inbox.paused:
            return None
        for parked in inbox.parked:
            if not parked.urgent and parked.is_waiting:
                return parked
        return None

    def _grant(
        self, parked: Parked, messages: list[Message], now: Moment, *, is_new: bool = False
    ) -> None:
        """Lease messages to a receiver; the row of a new one is yet to be made."""
        table, session = self.table, parked.session
        lease = self._last_lease = self._last_lease + 1
        if not session.is_written:
            table.introduce(parked.inbox, session)
        effects = table.effects
        for message in messages:
            table.lease(message, session, lease, now)
            if not is_new:
                effects.changed[message.id] = message
        grant = Grant(parked, lease, messages)
        effects.grants.append(grant)
        if parked.ordered:
            effects.answers.append((session, parked.token, grant, True))
        if self._lease_due is None:
            self._lease_due = now.loop + self.limits.lease_seconds
            self.is_due_changed = True

    def withdraw(self, grant: Grant, now: Moment) -> None:
        """Take back a grant that could not be handed over; no attempt is counted."""
        for message in filter(grant.is_current, grant.messages):
            self.table.drop(message)
            self.table.withdraw(message)
            self._serve(self.table.inboxes[message.inbox], now)

    def _park(self, parked: Parked, wait: float, now: Moment) -> None:
        parked.inbox.parked[parked] = None
        session = parked.session
        if session.parked is None:
            session.parked = [parked]
        else:
            session.parked.append(parked)
        if self._waits.add(parked, wait, now.loop):
            self.is_due_changed = True

    def _unpark(self, parked: Parked) -> None:
        del parked.inbox.parked[parked]
        self._waits.discard(parked)
        assert parked.session.parked is not None
        parked.session.parked.remove(parked)

    def _answer_empty(self, parked: Parked) -> None:
        """Let a receiver wait no more; it gets nothing."""
        self.unpark(parked)
        nothing = Received(ok=True, messages=[])
        answer = (parked.session, parked.token, nothing, parked.ordered)
        self.table.effects.answers.append(answer)

    def unpark(self, parked: Parked) -> bool:
        """Let a receiver wait no more; return whether it did."""
        if parked not in parked.inbox.parked:
            return False
        self._unpark(parked)
        return True

    def unpark_all(self) -> list[Parked]:
        """Return all receivers that wait, which no longer do."""
        found = [parked for inbox in self.table.inboxes.values() for parked in inbox.parked]
        for parked in found:
            self._unpark(parked)
        self._waits.clear()
        return found

    # Time

    def advance(self, now: Moment) -> None:
        """Do what is due: mail and leases expire, deferred mail returns, receivers stop waiting."""
        self._expire(now)
        due = {inbox.name: inbox for inbox in self.table.wake_deferred(now)}
        if self._lease_due is not None and self._lease_due <= now.loop:
            due.update((inbox.name, inbox) for inbox in self._end_leases(now))
        for inbox in due.values():
            self._serve(inbox, now)
        self.end_waits(now)

    def end_waits(self, now: Moment) -> None:
        """Let go of the receivers that have waited long enough; all that may be done in trouble."""
        for parked in self._waits.pop_due(now.loop):
            self._answer_empty(parked)

    def wait_delay(self, now: Moment) -> float | None:
        """Return the seconds until `end_waits` may have something to do, None for never."""
        due = self._waits.next()
        return None if due is None else max(0.0, due - now.loop)

    def delay(self, now: Moment) -> float | None:
        """Return the seconds until `advance` may have something to do, None for never."""
        self.is_due_changed = False
        table = self.table
        due = (table.deferred.delay(now.wall), table.expiries.delay(now.wall), self.wait_delay(now))
        lease = None if self._lease_due is None else max(0.0, self._lease_due - now.loop)
        return min((each for each in (*due, lease) if each is not None), default=None)

    def _end_leases(self, now: Moment) -> list[Inbox]:
        """Put back what was leased for too long, and note when to look again.

        A lease lasts from when it began, or from its session's last sign of life. Both only move
        on, and a session holds messages in the order of their leases: so of each session the first
        one that lives says when to look, and no message has a timer of its own.
        """
        lasts, nearest = self.limits.lease_seconds, None
        over: list[tuple[Session, Message]] = []
        for session in self.table.sessions.values():
            for message in session.held.values():
                until = max(message.leased_loop, session.alive_at) + lasts
                if until > now.loop:
                    nearest = until if nearest is None else min(nearest, until)
                    break
                over.append((session, message))
        self._lease_due = nearest
        for session, message in over:
            del session.held[message.id]
            session.lose(message.id, LEASE_EXPIRED)
            self._return(message, LEASE_EXPIRED, now)
        return [self.table.inboxes[message.inbox] for _, message in over]

    def _expire(self, now: Moment) -> None:
        """End what was not delivered in time, and tell its senders."""
        table = self.table
        first = table.expiries.next()
        if first is None or first > now.wall:
            return
        for number in sorted(table.expiries.pop_due(now.wall)):
            message = table.messages[number]
            if message.state is _LEASED:
                continue  # is watched again when it goes back
            self._end(message, MessageState.EXPIRED, "its time was over before it was read", now)
            notice = Notice.of_expired(message)
            table.effects.notices.append(notice)
            if message.sender in table.inboxes and message.sender_kind is not Kind.SYSTEM:
                self.try_post(notice.post(message.sender), now)

    # Ends and returns

    def take_back(self, number: int, why: str, now: Moment) -> bool:
        """End a message as expired, if nobody has it; return whether that was so."""
        message = self.table.messages.get(number)
        if message is None or message.state is _LEASED:
            return False
        self._end(message, MessageState.EXPIRED, why, now)
        return True

    def _end(self, message: Message, state: MessageState, reason: str | None, now: Moment) -> None:
        if message.state is _PARKED:
            self.sending.guard.discard(message)
        self.table.end(message, state, reason, now)
        if state is _DEAD:
            notice = Notice.of_dead_letter(message)
            effects = self.table.effects
            effects.notices.append(notice)
            if message.sender_kind in NOTIFIED_SENDERS:
                effects.dead_letters.append((message.sender, notice))

    def _purge(self, name: str, why: str, now: Moment) -> int:
        found = [each for each in self.table.messages.values() if each.inbox == name]
        for message in found:
            self.table.drop(message, lost=why)
            self._end(message, _DEAD, why, now)
        return len(found)

    def _return(
        self,
        message: Message,
        reason: str,
        now: Moment,
        *,
        step: Step = Step.RETURNED,
        rest: float = 0.0,
    ) -> None:
        """Put a leased message back whose attempt is burnt, unless that was its last."""
        final = retry.gave_up(message.attempts, self.limits.max_attempts, reason)
        if final is not None:
            self._end(message, _DEAD, final, now)
        else:
            self._put_back(message, reason, now, step=step, rest=rest)

    def _put_back(
        self,
        message: Message,
        reason: str,
        now: Moment,
        *,
        step: Step,
        rest: float | None,
        burn: bool = True,
    ) -> None:
        """Put a leased message back into its place, unless a newer one has taken that."""
        newer = self.table.successor(message)
        if newer is not None:
            self._end(message, MessageState.EXPIRED, f"superseded by message {newer.id}", now)
            return
        due = now.wall + rest if rest else None
        self.table.requeue(message, reason, now, step=step, not_before=due, burn=burn)
        self.is_due_changed = True

    # What the daemon has to say

    def try_post(self, post: Post, now: Moment) -> None:
        """Send what the daemon itself has to say, if its receiver is here and can take it."""
        try:
            stored = self.sending.post(self.system, post, now)
        except HiveError:
            return
        for reached in stored.recipients:
            self._serve(self.table.inboxes[reached], now)

    def notify_senders(self, now: Moment) -> None:
        """Send the notices about messages that became dead letters since the last call, by id."""
        effects = self.table.effects
        found, effects.dead_letters = effects.dead_letters, []
        for sender, notice in sorted(found, key=lambda each: int(each[1].detail["id"])):
            self.try_post(notice.post(sender), now)
