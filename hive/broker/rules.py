"""The rules of delivery: who may send what, who gets what, who may ack it.

Pure: no I/O, no clock, no futures. Each verb changes the mail in memory at once and leaves behind
what is to be done about it: rows to write (`mail.changed`) and mail to hand over (`grants`).
Whoever drives the rules writes the rows first and hands the mail over afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from hive.broker import addressing, retry
from hive.broker.deadlines import Deadlines
from hive.broker.inbox import Inbox, Parked
from hive.broker.intake import Intake
from hive.broker.mail import Mail
from hive.broker.news import TOLD_OF_DEATH, News, NewsKind
from hive.broker.sessions import (
    DAEMON_ENDED,
    LEASE_EXPIRED,
    REQUEUED,
    SESSION_ENDED,
    Grant,
    Session,
    Sessions,
    Stale,
)
from hive.broker.values import Draft, Moment, Receiver, Sent
from hive.config import Limits
from hive.errors import ConflictError, HiveError, NotFoundError, UnknownNameError
from hive.names import OPERATOR, QUEUE_PREFIX, suggest
from hive.store import Kind, Message, MessageState, Origin, Step
from hive.store.messages import Undelivered
from hive.wire.words import NackMode

R = TypeVar("R", bound=Receiver)

_STORED, _LEASED, _PARKED = MessageState.STORED, MessageState.LEASED, MessageState.PARKED
_ACKED, _DEAD = MessageState.ACKED, MessageState.DEAD


class Rules(Generic[R]):
    """The state machine of all inboxes.

    Args:
        limits: What senders may store and how long a lease lasts.
        epoch: Number of this life of the broker; part of every lease.

    Attributes:
        bereaved: Senders whose message became a dead letter, with what `tell_senders` tells them.
    """

    def __init__(self, limits: Limits, epoch: int = 0) -> None:
        self.limits = limits
        self.epoch = epoch
        self.mail: Mail[R] = Mail(limits.lease_seconds)
        self.intake: Intake[R] = Intake(self.mail, limits)
        self.news: list[News] = []
        self.queues: dict[str, None] = {}
        self.sessions = Sessions(self.mail.messages)
        self.grants: list[Grant[R]] = []
        self._waits: Deadlines[Parked[R]] = Deadlines()
        self.bereaved: list[tuple[str, News]] = []
        self._granted = 0
        self.add_inbox(OPERATOR, Kind.OPERATOR)

    # Inboxes and sessions

    def add_inbox(
        self,
        name: str,
        kind: Kind,
        *,
        broadcast: bool = False,
        last_seen: float | None = None,
        idle: bool = False,
    ) -> None:
        """Let a participant take part; mail that waits under its name is its own again."""
        inbox = self.mail.inbox(name)
        inbox.kind = kind
        inbox.broadcast = broadcast
        inbox.last_seen = last_seen if inbox.last_seen is None else inbox.last_seen
        inbox.idle = idle

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
        for session in self.sessions.of(name):
            self.close_session(session.id, now)
        inbox.kind = None
        if purge:
            self._purge(name, "its inbox was purged", now)
        if inbox.is_forgotten:
            del self.mail.inboxes[name]

    def _purge(self, name: str, why: str, now: Moment) -> int:
        found = [message for message in self.mail.messages.values() if message.inbox == name]
        for message in found:
            self.sessions.drop(message, lost=why)
            self._end(message, _DEAD, why, now)
        return len(found)

    def pause_inbox(self, name: str, paused: bool, now: Moment) -> None:
        """Hold an inbox's mail back, or let it flow again."""
        inbox = self.mail.inbox(name)
        inbox.paused = paused
        self._serve(inbox, now)

    def open_session(self, session: str, participant: str, origin: Origin, now: Moment) -> None:
        """Note a new connection of a participant."""
        self.sessions.open[session] = Session(session, participant, origin, now.loop)
        inbox = self.mail.inbox(participant)
        inbox.sessions += 1
        inbox.last_seen = now.wall

    def close_session(self, session: str, now: Moment) -> None:
        """Forget a connection: its mail is deliverable again at once."""
        closed = self.sessions.open.pop(session, None)
        if closed is None:
            return
        inbox = self.mail.inbox(closed.participant)
        inbox.sessions -= 1
        inbox.last_seen = now.wall
        for place in (inbox, *map(self._queue, self.queues)):
            for parked in [each for each in place.parked.values() if each.session == session]:
                self._unpark(place, parked)
                self.grants.append(Grant(parked.receiver, "", ()))
        served = dict.fromkeys([inbox.name, *(message.inbox for message in closed.held.values())])
        for message in closed.held.values():
            self._return(message, SESSION_ENDED, now)
        for name in served:
            self._serve(self.mail.inboxes[name], now)

    def touch(self, session: str, now: Moment) -> None:
        """Note that a session is alive: its leases last their whole time from now on."""
        self.sessions.touch(session, now)

    def begin(self, session: str, ids: Iterable[int], now: Moment) -> tuple[Stale, ...]:
        """Note that a session is alive and works on these messages; return those it lost."""
        self.touch(session, now)
        holder = self.sessions.get(session)
        stale: list[Stale] = []
        for number in ids:
            message = self.sessions.held(holder, number, None)
            if isinstance(message, Stale):
                stale.append(message)
            else:
                self.mail.begin(message, now)
        return tuple(stale)

    # Sending

    def send(self, draft: Draft, now: Moment) -> Sent:
        """Store a message in the inboxes that it is for.

        Raises:
            HiveError: When nothing was stored, with the reason.
        """
        sent = self.intake.send(draft, now)
        if not sent.duplicate:
            if self.intake.has_followers:
                self._follow_up(now)
            for name in sent.recipients:
                self._serve(self.mail.inboxes[name], now)
        return sent

    def _follow_up(self, now: Moment) -> None:
        """End what was replaced, and tell those whose circuit opened."""
        replaced, self.intake.replaced = self.intake.replaced, []
        for message, successor in replaced:
            self._end(message, MessageState.EXPIRED, f"superseded by message {successor}", now)
        tripped, self.intake.tripped = self.intake.tripped, []
        for circuit in tripped:
            news = News.of_loop(circuit)
            self.news.append(news)
            for name in circuit.pair:
                self.try_send(news.notice(name), now)

    def try_send(self, draft: Draft, now: Moment) -> None:
        """Send what the daemon itself has to say, if its receiver is here and can take it."""
        try:
            sent = self.intake.send(draft, now)
        except HiveError:
            return
        for reached in sent.recipients:
            self._serve(self.mail.inboxes[reached], now)

    def take_back(self, number: int, why: str, now: Moment) -> bool:
        """End a message as expired, if nobody has it; return whether that was so."""
        message = self.mail.messages.get(number)
        if message is None or message.state is _LEASED:
            return False
        self._end(message, MessageState.EXPIRED, why, now)
        return True

    def reset_loop(self, one: str, other: str, now: Moment) -> int:
        """Let a pair talk again and deliver what was parked, in order; return how much.

        Raises:
            NotFoundError: When the pair's circuit is not open.
        """
        circuit = self.intake.circuits.reset(one, other)
        if circuit is None:
            raise NotFoundError(f"{one!r} and {other!r} may talk: their circuit is not tripped")
        for message in circuit.parked.values():
            self.mail.release(message, now)
            self.intake.lineage.absolve(message.id)
        detail = {"pair": list(circuit.pair), "released": len(circuit.parked)}
        self.news.append(News(NewsKind.LOOP_RESET, circuit.pair[0], detail))
        for name in circuit.pair:
            self._serve(self.mail.inbox(name), now)
        return len(circuit.parked)

    def restore(self, messages: Iterable[Message], now: Moment) -> None:
        """Take in dead letters that are deliverable again on disk."""
        for message in messages:
            if message.id not in self.mail.messages:
                self._shelter(message)
                self.mail.restore(message)
                self._serve(self.mail.inboxes[message.inbox], now)

    # Receiving

    def recv(
        self,
        session: str,
        receiver: R,
        count: int,
        wait: float,
        now: Moment,
        *,
        queue: str | None = None,
        urgent: bool = False,
    ) -> None:
        """Grant mail to a receiver: at once if there is any, else within `wait` seconds.

        It is that of the session's participant, or of a work queue; with `urgent`, only what is of
        high priority.

        Raises:
            NotFoundError: When the session is not open.
            UnknownNameError: When there is no such queue.
        """
        found = self.sessions.get(session)
        inbox = self.mail.inbox(found.participant) if queue is None else self._queue(queue)
        if self.mail.expiries:
            self._expire(now)
        parked = Parked(receiver, session, inbox.name, count, urgent)
        if count > 0 and inbox.has_for(parked):
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
            self.sessions.drop(message)
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
        if self.mail.expiries:
            self._expire(now)
        while inbox.parked and (parked := inbox.next_served()):
            self._unpark(inbox, parked)
            if not parked.receiver.expired:
                self._grant(inbox, parked, now)

    def _grant(self, inbox: Inbox[R], parked: Parked[R], now: Moment) -> None:
        self._granted += 1
        lease = f"{self.epoch}-{self._granted}"
        messages = inbox.take(parked)
        held = self.sessions.open[parked.session].held
        for message in messages:
            self.mail.lease(message, parked.session, lease, now)
            held[message.id] = message
        self.grants.append(Grant(parked.receiver, lease, messages))

    def _queue(self, name: str) -> Inbox[R]:
        if name not in self.queues:
            raise UnknownNameError(f"there is no queue {name!r}{suggest(name, self.queues)}")
        return self.mail.inboxes[QUEUE_PREFIX + name]

    def _shelter(self, message: Message) -> None:
        """Make sure that a message's inbox is there; mail of a queue that is gone makes it anew."""
        if not message.inbox.startswith(QUEUE_PREFIX):
            self.mail.inbox(message.inbox)
        elif (name := message.inbox.removeprefix(QUEUE_PREFIX)) not in self.queues:
            self.add_queue(name)

    def add_queue(self, name: str) -> None:
        """Let a work queue be sent to and received from."""
        self.queues[name] = None
        self.add_inbox(QUEUE_PREFIX + name, Kind.QUEUE)

    def remove_queue(self, name: str, now: Moment, *, force: bool) -> int:
        """Let a work queue be no more; return how many messages became dead letters with it.

        Raises:
            UnknownNameError: When there is no such queue.
            ConflictError: When it holds messages, and no `force`.
        """
        inbox = self._queue(name)
        if inbox.unread and not force:
            raise ConflictError(
                f"the queue {name!r} holds {inbox.unread} messages, {inbox.leased} in work; "
                "let them be done, or force its removal and they become dead letters"
            )
        for parked in list(inbox.parked.values()):
            self._unpark(inbox, parked)
            self.grants.append(Grant(parked.receiver, "", ()))
        ended = self._purge(inbox.name, "its queue was removed", now)
        del self.queues[name], self.mail.inboxes[inbox.name]
        return ended

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
        holder = self.sessions.get(session)
        stale: list[Stale] = []
        for number in ids:
            message = self.sessions.held(holder, number, lease)
            if isinstance(message, Stale):
                stale.append(message)
            else:
                self.sessions.drop(message)
                self._end(message, _ACKED, None, now)
        return tuple(stale)

    def ack_turn(self, session: str, now: Moment) -> tuple[Stale, ...]:
        """Ack all that a session holds; return what it held and lost since the last time."""
        holder = self.sessions.get(session)
        for message in holder.held.values():
            self._end(message, _ACKED, None, now)
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
        """Give one message back.

        `DEFER` burns no attempt. `FAIL` burns one, and without a delay the message rests for a
        while that doubles with each failure. `REJECT` makes it a dead letter.
        """
        message = self.sessions.held(self.sessions.get(session), number, lease)
        if isinstance(message, Stale):
            return (message,)
        self.sessions.drop(message)
        match mode:
            case NackMode.REJECT:
                self._end(message, _DEAD, reason or "rejected by its receiver", now)
            case NackMode.DEFER:
                self._put_back(
                    message, reason or "deferred", now, step=Step.NACKED, rest=delay, burn=False
                )
            case NackMode.FAIL:
                rest = retry.pause(message.attempts) if delay is None else delay
                why = reason or "its receiver failed"
                self._return(message, why, now, step=Step.NACKED, rest=rest)
        self._serve(self.mail.inboxes[message.inbox], now)
        return ()

    def requeue_inflight(self, session: str, now: Moment) -> int:
        """Put back all that any session of this session's participant holds; return how many."""
        own = self.sessions.get(session)
        own.lost.clear()
        places: list[str] = []
        for other in self.sessions.of(own.participant):
            for message in other.held.values():
                if other is not own:
                    other.lost[message.id] = REQUEUED
                self._return(message, REQUEUED, now)
                places.append(message.inbox)
            other.held.clear()
        for name in dict.fromkeys(places):
            self._serve(self.mail.inboxes[name], now)
        return len(places)

    def mark_read(self, name: str, ids: Iterable[int], now: Moment) -> int:
        """End messages that were read without a lease, as the operator does; return how many."""
        count = 0
        for number in ids:
            message = self.mail.messages.get(number)
            if message is not None and message.inbox == name and message.state is _STORED:
                self._end(message, _ACKED, "read", now)
                count += 1
        return count

    # Time

    def advance(self, now: Moment) -> None:
        """Do what is due: mail and leases expire, deferred mail returns, receivers stop waiting."""
        self._expire(now)
        due = {inbox.name: inbox for inbox in self.mail.wake_deferred(now)}
        for number in self.mail.leases.pop_due(now.loop):
            message = self.mail.messages[number]
            if not self._still_held(message, now):
                self.sessions.drop(message, lost=LEASE_EXPIRED)
                self._return(message, LEASE_EXPIRED, now)
                due[message.inbox] = self.mail.inboxes[message.inbox]
        for inbox in due.values():
            self._serve(inbox, now)
        self.end_waits(now)

    def end_waits(self, now: Moment) -> None:
        """Let go of the receivers that have waited long enough; all that may be done in trouble."""
        for parked in self._waits.pop_due(now.loop):
            self.mail.inboxes[parked.inbox].parked.pop(parked.receiver, None)
            self.grants.append(Grant(parked.receiver, "", ()))

    def wait_delay(self, now: Moment) -> float | None:
        """Return the seconds until `end_waits` has something to do, None for never."""
        return self._waits.delay(now.loop)

    def delay(self, now: Moment) -> float | None:
        """Return the seconds until `advance` has something to do, None for never."""
        by_loop = (self.mail.leases.delay(now.loop), self._waits.delay(now.loop))
        by_wall = (self.mail.deferred.delay(now.wall), self.mail.expiries.delay(now.wall))
        return min((each for each in by_loop + by_wall if each is not None), default=None)

    def _still_held(self, message: Message, now: Moment) -> bool:
        """Extend a lease that is due if its session was alive meanwhile; return whether it was."""
        holder = self.sessions.holder(message)
        until = (holder.alive_at if holder else now.loop) + self.limits.lease_seconds
        if holder is None or until <= now.loop:
            return False
        self.mail.extend(message.id, until)
        return True

    def _expire(self, now: Moment) -> None:
        """End what was not delivered in time, and tell its senders."""
        first = self.mail.expiries.next()
        if first is None or first > now.wall:
            return
        for number in sorted(self.mail.expiries.pop_due(now.wall)):
            message = self.mail.messages[number]
            if message.state is _LEASED:
                continue  # is watched again when it goes back
            self._end(message, MessageState.EXPIRED, "its time was over before it was read", now)
            news = News.of_expired(message)
            self.news.append(news)
            if message.sender in self.mail.inboxes and message.sender_kind is not Kind.SYSTEM:
                self.try_send(news.notice(message.sender), now)

    # Ends and returns

    def _end(self, message: Message, state: MessageState, reason: str | None, now: Moment) -> None:
        if message.state is _PARKED:
            self.intake.circuits.forget(message)
        self.mail.end(message, state, reason, now)
        if state is _DEAD:
            news = News.of_dead_letter(message)
            self.news.append(news)
            if message.sender_kind in TOLD_OF_DEATH:
                self.bereaved.append((message.sender, news))

    def tell_senders(self, now: Moment) -> None:
        """Send the notices about messages that became dead letters since the last call, by id."""
        bereaved, self.bereaved = self.bereaved, []
        for sender, news in sorted(bereaved, key=lambda each: int(each[1].detail["id"])):
            self.try_send(news.notice(sender), now)

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
        newer = self.mail.successor(message)
        if newer is not None:
            self._end(message, MessageState.EXPIRED, f"superseded by message {newer.id}", now)
        else:
            due = now.wall + rest if rest else None
            self.mail.requeue(message, reason, now, step=step, not_before=due, burn=burn)

    # Restart

    def load(self, found: Undelivered, now: Moment) -> None:
        """Take over what is on disk, in place of everything in memory but sessions and inboxes.

        A lease whose session is still open goes on; any other is over.
        """
        for session in self.sessions.open.values():
            session.held.clear()
        self.grants.clear()
        self.bereaved.clear()
        self.mail.load(found.rows, found.last_id)
        self.intake.load(found)
        for name in found.queues:
            self.add_queue(name)
        for message in found.rows:
            self._shelter(message)
            if message.state is _LEASED:
                self._resume(message, now)
        for inbox in list(self.mail.inboxes.values()):
            self._serve(inbox, now)

    def _resume(self, message: Message, now: Moment) -> None:
        holder = self.sessions.holder(message)
        if holder is not None and (message.lease or "").startswith(f"{self.epoch}-"):
            holder.held[message.id] = message
            self.mail.extend(message.id, now.loop + self.limits.lease_seconds)
        else:
            self._put_back(message, DAEMON_ENDED, now, step=Step.RETURNED, rest=None)
