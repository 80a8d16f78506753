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
from hive.broker.notices import NoticePacing
from hive.broker.sending import SendingRules
from hive.broker.sessions import LEASE_EXPIRED, FutureSession, Parked, Session
from hive.broker.turn_cap import TurnCap
from hive.broker.values import Moment, Post
from hive.config import Limits
from hive.errors import HiveError, UnknownNameError
from hive.names import SYSTEM
from hive.store import Kind, Message, MessageState, Step
from hive.store.records import numbered
from hive.store.schema import SYSTEM_SESSION
from hive.wire.rows import Received, Stored

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
        pacing: Decides when notices of the daemon are sent.
        system: The session of the daemon's own messages.
        turns: The turns that run, and the agents that wait for one.
        is_due_changed: Whether something may be due earlier than before; the caller of the rules
            looks at `delay` then.
    """

    def __init__(self, limits: Limits, epoch: int = 0) -> None:
        self.limits = limits
        self.table = MessageTable()
        self.sending = SendingRules(self.table, limits)
        self.pacing = NoticePacing(self.table, limits)
        self.system = FutureSession(SYSTEM, Kind.SYSTEM)
        self.system.number = SYSTEM_SESSION
        self.system.is_open = self.system.is_written = True
        self.is_due_changed = False
        self._waits = Waits()
        self._last_parked = 0
        self._lease_due: float | None = None
        self.turns = TurnCap(limits.turns)
        self._is_giving = False
        self._first_lease = self._last_lease = self.handed_over = numbered(epoch, 0)

    # Receivers

    def pause_inbox(self, name: str, paused: bool, now: Moment) -> None:
        """Stop the deliveries to a participant, or resume them.

        At a pause its receivers are answered without messages. Its harness has cancelled them, so
        the first message after the pause would be leased to a request without a client.
        """
        inbox = self.table.inbox(name)
        if paused and not inbox.paused:
            for session in self._sessions_of(name):
                for parked in list(session.parked or ()):
                    self._answer_empty(parked)
        inbox.paused = paused
        self._serve_participant(name, now)

    def set_frozen(self, name: str, frozen: bool, now: Moment) -> None:
        """Grant nothing to the sessions of a participant and end none of their leases, or go on.

        Afterwards a lease has the time left that it had when the participant was frozen.
        """
        inbox = self.table.inbox(name)
        if frozen:
            inbox.frozen_at = now.loop if inbox.frozen_at is None else inbox.frozen_at
            return
        if inbox.frozen_at is None:
            return
        since, inbox.frozen_at = inbox.frozen_at, None
        for session in self._sessions_of(name):
            session.extend(since, now.loop)
        self._lease_due, self.is_due_changed = now.loop, True  # look at the leases again
        self._serve_participant(name, now)

    def _serve_participant(self, name: str, now: Moment) -> None:
        """Grant from an inbox, and from the queues that sessions of its participant wait for."""
        inbox = self.table.inbox(name)
        places = {name: inbox}
        for session in self._sessions_of(name):
            places.update((parked.inbox.name, parked.inbox) for parked in session.parked or ())
        for place in places.values():
            self._serve(place, now)

    def _sessions_of(self, participant: str) -> list[Session]:
        """Return the sessions of a participant, oldest first."""
        return [each for each in self.table.sessions.values() if each.name == participant]

    def set_limits(self, limits: Limits) -> None:
        """Change the limits: they hold for the next decision, and what is stored stays."""
        self.limits = self.pacing.limits = limits
        self.sending.set_limits(limits)
        self.turns.limit = limits.turns
        self.turns.count_anew(self.table.sessions.values())

    def _serve(self, inbox: Inbox, now: Moment) -> None:
        if self.table.expiries.entries:
            self._expire(now)
        while (inbox.waiting or inbox.waiting_urgent) and (rank := inbox.next_rank()) is not None:
            parked = inbox.receiver_of(rank)
            if parked is None:
                return
            if self.turns.limit is not None and not self._may_take(parked.session, now):
                continue  # it waits from now on, and is passed over
            taken = inbox.take(parked)
            if not taken:  # others have it, whose turn came first
                return
            parked.unpark()
            self._grant(parked, taken, now)

    def _may_take(self, session: Session, now: Moment) -> bool:
        """Return whether an agent is in a turn or begins one; otherwise it waits for one."""
        turns, inbox = self.turns, session.inbox
        assert inbox is not None
        if not turns.concerns(session) or turns.join(session):
            return True
        self.give_turns(now)  # others may have waited longer
        if turns.join(session):
            return True
        if turns.has_room and not self._is_giving:
            turns.begin(session.name)
            inbox.waits = False
            return turns.join(session)
        turns.wait(session.name, now.wall)
        inbox.waits = True
        return False

    def give_turns(self, now: Moment) -> None:
        """Give the turns that are free to the agents that wait, the longest wait first.

        One that waits and has no receiver at this moment is passed over, and keeps its place.
        """
        if self._is_giving:
            return
        self._is_giving = True
        try:
            while self._give_turn(now):
                pass
        finally:
            self._is_giving = False

    def leave_turns(self, inbox: Inbox) -> None:
        """End the wait for a turn of a participant that leaves its inbox."""
        self.turns.leave(inbox.name)
        inbox.waits = False

    def _give_turn(self, now: Moment) -> bool:
        """Give one turn; return False if there is none, or nobody can take it."""
        turns = self.turns
        turns.prune()
        if not turns.has_room:
            return False
        for name in list(turns.waiting):
            inbox = self.table.inbox(name)
            receives = any(session.parked for session in self._sessions_of(name))
            is_held = inbox.paused or inbox.frozen_at is not None
            if not inbox.sessions or (receives and not is_held):
                inbox.waits = False
                turns.begin(name)
                self._serve_participant(name, now)
                return True
        return False

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
            self._undo_lease(message, now)
            self._serve(self.table.inboxes[message.inbox], now)

    def _undo_lease(self, message: Message, now: Moment) -> None:
        """Put a message into its place that was not handed over, unless a newer supersedes it."""
        if not self._expire_superseded(message, now):
            self.table.withdraw(message)

    def _is_handed_over(self, message: Message) -> bool:
        """Return whether a leased message has reached its receiver; otherwise only a row waits."""
        return message.lease <= self.handed_over

    def _park(self, parked: Parked, wait: float, now: Moment) -> None:
        inbox, session = parked.inbox, parked.session
        parked.waiting = waiting = inbox.waiting_urgent if parked.urgent else inbox.waiting
        waiting[parked] = None
        parked.number = self._last_parked = self._last_parked + 1
        if session.parked is None:
            session.parked = {}
        session.parked[parked] = None
        if self._waits.add(parked, wait, now.loop):
            self.is_due_changed = True

    def _answer_empty(self, parked: Parked) -> None:
        """Unpark a receiver and answer it without messages."""
        parked.unpark()
        nothing = Received(ok=True, messages=[])
        answer = (parked.session, parked.token, nothing, parked.ordered)
        self.table.effects.answers.append(answer)

    def unpark_all(self) -> list[Parked]:
        """Unpark all receivers and return them."""
        found = [parked for inbox in self.table.inboxes.values() for parked in inbox.parked]
        for parked in found:
            parked.unpark()
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
        if self.pacing.later:
            for post in self.pacing.pop_due(now):
                self.try_post(post, now)
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
        due = (
            table.deferred.delay(now),
            table.expiries.delay(now),
            self.pacing.delay(now) if self.pacing.later else None,
            self.wait_delay(now),
        )
        lease = None if self._lease_due is None else max(0.0, self._lease_due - now.loop)
        return min((each for each in (*due, lease) if each is not None), default=None)

    def _end_leases(self, now: Moment) -> list[Inbox]:
        """End the leases that have expired, and set the time of the next check.

        A lease lasts for `lease_seconds` after it began, or after its session's last request,
        whichever is later. Both times only grow, and a session holds messages in the order of their
        leases. So the first lease of a session that has not expired gives the time of the next
        check, and no message needs a timer. Those of a frozen participant are not looked at.
        """
        lasts, nearest = self.limits.lease_seconds, None
        over: list[tuple[Session, Message]] = []
        for session in self.table.sessions.values():
            if session.inbox is not None and session.inbox.frozen_at is not None:
                continue
            for message in session.held.values():
                until = max(message.leased_loop, session.alive_at) + lasts
                if until > now.loop:
                    nearest = until if nearest is None else min(nearest, until)
                    break
                over.append((session, message))
        self._lease_due = nearest
        for session, message in over:
            del session.held[message.id]
            self._take_from(session, message, LEASE_EXPIRED, now)
        return [self.table.inboxes[message.inbox] for _, message in over]

    def _expire(self, now: Moment) -> None:
        """Expire the messages whose time to live has passed, and notify their senders."""
        table = self.table
        for number in sorted(table.expiries.pop_due(now)):
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

    def discard(self, message: Message, why: str, now: Moment) -> None:
        """Expire a message of any state; a lease of it ends."""
        self.table.unassign(message, lost=why)
        self._end(message, MessageState.EXPIRED, why, now)

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

    def _take_from(self, session: Session, message: Message, reason: str, now: Moment) -> None:
        """Return a message that a session has lost; what it never got, it has not lost."""
        if self._is_handed_over(message):
            session.record_lost(message.id, reason)
        self._give_back(message, reason, now)

    def _give_back(self, message: Message, reason: str, now: Moment) -> None:
        """Return a message whose lease has ended; its attempt counts if it was handed over."""
        if self._is_handed_over(message):
            self._return(message, reason, now)
        else:
            self._undo_lease(message, now)

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
        if self._expire_superseded(message, now):
            return
        due = now.wall + rest if rest else None
        self.table.requeue(message, reason, now, step=step, not_before=due, counted=counted)
        self.is_due_changed = True

    def _expire_superseded(self, message: Message, now: Moment) -> bool:
        """Expire a message that comes back if a newer one supersedes it; return whether."""
        newer = self.table.successor(message)
        if newer is None:
            return False
        self._end(message, MessageState.EXPIRED, f"superseded by message {newer.id}", now)
        return True

    # Messages of the daemon

    def try_post(self, post: Post, now: Moment) -> Stored | None:
        """Send a message of the daemon, now or later.

        If its recipient cannot take it, it is dropped, and the event log says so.

        Returns:
            The answer to the send; None if nothing was stored.
        """
        try:
            if not self.pacing.admit(post, now):
                self.is_due_changed = True
                return None
            stored = self.sending.post(self.system, post, now)
        except UnknownNameError:
            return None
        except HiveError as error:
            dropped = self.pacing.record_dropped(post.posting.to, now)
            if dropped is not None:
                self.table.effects.notices.append(Notice.of_dropped(post, dropped, error))
            return None
        self._expire_replaced(now)
        for reached in stored.recipients:
            self._serve(self.table.inboxes[reached], now)
        return stored

    def _expire_replaced(self, now: Moment) -> None:
        """Expire the messages that newer ones have superseded."""
        replaced, self.sending.replaced = self.sending.replaced, []
        for message, successor in replaced:
            self._end(message, MessageState.EXPIRED, f"superseded by message {successor}", now)

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
