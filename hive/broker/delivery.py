"""Delivery: leases, returns, expiry, and the receivers that wait.

    grant     deliverable messages are leased to parked receivers, in the order of their `recv`
    return    a lease has ended: the message goes back to its place, or becomes a dead letter
    expire    the time to live of a message has passed before it was leased
    time out  a receiver has waited long enough; its answer is empty

Pure: no I/O, no clock, no futures. Everything here changes the messages in memory at once and adds
to `table.effects` the rows, grants, answers and notices that follow.
"""

from __future__ import annotations

from hive.broker.deadlines import Waits
from hive.broker.effects import Grant, Notice
from hive.broker.inboxes import Inbox
from hive.broker.messages import MessageTable
from hive.broker.sending import SendingRules
from hive.broker.sessions import LEASE_EXPIRED, FutureSession, Parked, Session
from hive.broker.values import Moment, Post
from hive.config import Limits
from hive.errors import HiveError
from hive.names import SYSTEM
from hive.store import Kind, Message, MessageState, Step
from hive.store.records import numbered
from hive.store.schema import SYSTEM_SESSION
from hive.wire.rows import Received

FIRST_RETRY_DELAY, LONGEST_RETRY_DELAY = 1.0, 60.0
"""Seconds before a failed message is delivered again: after its first failure, and at most."""

NOTIFIED_SENDERS = frozenset({Kind.AGENT, Kind.MANAGER, Kind.PEER})
"""Senders that get a notice about a dead letter. The operator has `dead-letters` instead."""

_LEASED, _PARKED, _DEAD = MessageState.LEASED, MessageState.PARKED, MessageState.DEAD


class DeliveryRules:
    """Decides which receiver gets which message, and what follows when time passes.

    Args:
        limits: Limits of senders and inboxes, and the length of a lease.
        epoch: Number of this start of the broker; part of the id of every lease and session.

    Attributes:
        handed_over: The newest lease whose messages were handed over. Leases are numbered in the
            order in which they are committed, so no lease with a higher number was.
        table: The messages, their inboxes and sessions, and the effects of decisions.
        sending: The rules of sending, for messages of every kind.
        system: The session of the daemon's own messages.
        is_due_changed: Whether something may be due earlier than before; the caller of the rules
            looks at `delay` then.
    """

    def __init__(self, limits: Limits, epoch: int = 0) -> None:
        self.limits = limits
        self.table = MessageTable()
        self.sending = SendingRules(self.table, limits)
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
        """Return the receiver of a new plain message, None if the message has to be queued."""
        if not inbox.parked or inbox.ready or inbox.paused:
            return None
        for parked in inbox.parked:
            if not parked.urgent and parked.is_waiting:
                return parked
        return None

    def _grant(
        self, parked: Parked, messages: list[Message], now: Moment, *, is_new: bool = False
    ) -> None:
        """Lease messages to a receiver. For a new message, the caller builds the row."""
        table, session = self.table, parked.session
        lease = self._last_lease = self._last_lease + 1
        if not session.is_written:
            table.ensure_rows(parked.inbox, session)
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
        """Return the messages of a grant that could not be handed over; no attempt is counted."""
        for message in filter(grant.is_current, grant.messages):
            self.table.unassign(message)
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
        """Unpark a receiver and answer it without messages."""
        self.unpark(parked)
        nothing = Received(ok=True, messages=[])
        answer = (parked.session, parked.token, nothing, parked.ordered)
        self.table.effects.answers.append(answer)

    def unpark(self, parked: Parked) -> bool:
        """Unpark a receiver; return whether it was parked."""
        if parked not in parked.inbox.parked:
            return False
        self._unpark(parked)
        return True

    def unpark_all(self) -> list[Parked]:
        """Unpark all receivers and return them."""
        found = [parked for inbox in self.table.inboxes.values() for parked in inbox.parked]
        for parked in found:
            self._unpark(parked)
        self._waits.clear()
        return found

    # Time

    def advance(self, now: Moment) -> None:
        """Do what is due: messages and leases expire, deferred messages return, waits time out."""
        self._expire(now)
        due = {inbox.name: inbox for inbox in self.table.queue_deferred(now)}
        if self._lease_due is not None and self._lease_due <= now.loop:
            due.update((inbox.name, inbox) for inbox in self._end_leases(now))
        for inbox in due.values():
            self._serve(inbox, now)
        self.end_waits(now)

    def end_waits(self, now: Moment) -> None:
        """Answer the receivers whose wait has timed out; this writes nothing."""
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
        """End the leases that have expired, and set the time of the next check.

        A lease lasts for `lease_seconds` after it began, or after its session's last request,
        whichever is later. Both times only grow, and a session holds messages in the order of their
        leases. So the first lease of a session that has not expired gives the time of the next
        check, and no message needs a timer.
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
            session.record_lost(message.id, LEASE_EXPIRED)
            self._return(message, LEASE_EXPIRED, now)
        return [self.table.inboxes[message.inbox] for _, message in over]

    def _expire(self, now: Moment) -> None:
        """Expire the messages whose time to live has passed, and notify their senders."""
        table = self.table
        first = table.expiries.next()
        if first is None or first > now.wall:
            return
        for number in sorted(table.expiries.pop_due(now.wall)):
            message = table.messages[number]
            if message.state is _LEASED:
                continue  # `expiries` has it again once it is returned
            self._end(message, MessageState.EXPIRED, "its time was over before it was read", now)
            notice = Notice.of_expired(message)
            table.effects.notices.append(notice)
            if message.sender in table.inboxes and message.sender_kind is not Kind.SYSTEM:
                self.try_post(notice.post(message.sender), now)

    # Ends and returns

    def recall(self, number: int, why: str, now: Moment) -> bool:
        """Expire a message unless it is leased; return whether it was expired."""
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
            self.table.unassign(message, lost=why)
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
        """Return a leased message; its attempt counts, and after the last it is a dead letter."""
        final = why_given_up(message.attempts, self.limits.max_attempts, reason)
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
        counted: bool = True,
    ) -> None:
        """Put a leased message back into its place, unless a newer message supersedes it."""
        newer = self.table.successor(message)
        if newer is not None:
            self._end(message, MessageState.EXPIRED, f"superseded by message {newer.id}", now)
            return
        due = now.wall + rest if rest else None
        self.table.requeue(message, reason, now, step=step, not_before=due, counted=counted)
        self.is_due_changed = True

    # Messages of the daemon

    def try_post(self, post: Post, now: Moment) -> None:
        """Send a message of the daemon; it is dropped if its recipient cannot take it."""
        try:
            stored = self.sending.post(self.system, post, now)
        except HiveError:
            return
        for reached in stored.recipients:
            self._serve(self.table.inboxes[reached], now)

    def notify_senders(self, now: Moment) -> None:
        """Notify the senders of messages that became dead letters since the last call, by id."""
        effects = self.table.effects
        found, effects.dead_letters = effects.dead_letters, []
        for sender, notice in sorted(found, key=lambda each: int(each[1].detail["id"])):
            self.try_post(notice.post(sender), now)


def retry_delay(attempt: int) -> float:
    """Return the seconds before the next delivery of a message whose attempt failed.

    Args:
        attempt: Number of the attempt that failed, from 1.
    """
    return min(LONGEST_RETRY_DELAY, FIRST_RETRY_DELAY * 2.0 ** min(attempt - 1, 16))


def why_given_up(attempts: int, most: int, reason: str) -> str | None:
    """Return why a message is not tried again, None if it is."""
    return f"gave up after attempt {attempts} of {most}: {reason}" if attempts >= most else None
