"""The rules that decide about requests: send, receive, ack, and the lives of inboxes and queues.

Pure: no I/O, no clock, no futures. The method for a request takes its session, the struct of the
wire, the token of the answer and the moment. It changes memory at once and adds to `table.effects`
what follows: rows to write, grants, the answer. The caller writes the rows first; it hands over and
answers once they are committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from hive.broker import admission
from hive.broker.delivery import DeliveryRules, retry_delay
from hive.broker.effects import Notice
from hive.broker.inboxes import Inbox, resolve
from hive.broker.sessions import (
    COUNTED,
    DAEMON_ENDED,
    PARKED_MAX,
    REQUEUED,
    SESSION_ENDED,
    Decide,
    Parked,
    Session,
    Stale,
    too_many_parked,
    why_not_held,
)
from hive.broker.values import NORMAL, Moment, Post, RemoveInbox, Token
from hive.config import Limits
from hive.errors import ConflictError, UnknownNameError
from hive.names import OPERATOR, QUEUE_PREFIX, check_group_name, suggest
from hive.quantities import counted
from hive.store import (
    Desired,
    Kind,
    Message,
    MessageKind,
    MessageState,
    ParticipantRecord,
    Step,
    participants,
)
from hive.store.messages import Undelivered
from hive.store.records import numbered
from hive.wire import agent as wire
from hive.wire.enums import EventKind, NackMode, Priority
from hive.wire.rows import Received, Stored

_STORED, _LEASED = MessageState.STORED, MessageState.LEASED
_ACKED, _DEAD = MessageState.ACKED, MessageState.DEAD
_MESSAGE, _NORMAL = MessageKind.MESSAGE, Priority.NORMAL


class Rules(DeliveryRules):
    """The state machine of all inboxes and sessions.

    Attributes:
        queues: Names of the work queues, in the order in which they were added.
    """

    def __init__(self, limits: Limits, epoch: int = 0) -> None:
        super().__init__(limits, epoch)
        self.queues: dict[str, None] = {}
        self._last_session = numbered(epoch, 0)
        self.add_inbox(OPERATOR, Kind.OPERATOR)

    def decisions(self) -> Mapping[type, Decide]:
        """Return the method that decides about each type of request."""
        return {
            wire.Send: self.send,
            wire.Recv: self.recv,
            wire.Ack: self.ack,
            wire.AckTurn: self.ack_turn,
            wire.Nack: self.nack,
            wire.RequeueInflight: self.requeue_inflight,
            wire.Heartbeat: self.heartbeat,
            Post: self.post_and_answer,
        }

    # Inboxes and sessions

    def add_inbox(
        self,
        name: str,
        kind: Kind,
        *,
        broadcast: bool | None = None,
        last_seen: float | None = None,
        idle: bool = False,
    ) -> None:
        """Add an inbox; the messages that are stored under its name are its own.

        Without `broadcast`, an agent receives broadcasts and a peer does not.
        """
        inbox = self.table.inbox(name)
        inbox.kind = kind
        inbox.broadcast = kind is not Kind.PEER if broadcast is None else broadcast
        inbox.last_seen = last_seen if inbox.last_seen is None else inbox.last_seen
        inbox.idle = idle

    def add_participant(self, record: ParticipantRecord, now: Moment) -> None:
        """Add a participant with the settings of its record, or change them."""
        self.add_inbox(
            record.name,
            record.kind,
            broadcast=record.broadcast,
            last_seen=record.last_seen,
            idle=record.desired is Desired.STOPPED and record.kind is not Kind.PEER,
        )
        self.set_frozen(record.name, record.frozen_at is not None, now)
        self.pause_inbox(record.name, record.paused, now)

    def remove_inbox(self, request: RemoveInbox, now: Moment) -> None:
        """Remove a participant.

        With `force` its unread messages stay for a participant that is added under the name; with
        `purge` they become dead letters.

        Raises:
            ConflictError: It has unread messages, and neither `force` nor `purge` is set.
            UnknownNameError: There is no such participant.
        """
        table = self.table
        inbox = table.inbox(resolve(request.name, table.inboxes))
        if inbox.unread and not (request.force or request.purge):
            raise ConflictError(
                f"{inbox.name!r} has {counted(inbox.unread, 'unread message')}; "
                "let it read them, or force its removal and they stay for its return"
            )
        for session in self._sessions_of(inbox.name):
            self.close_session(session, now)
        inbox.kind = None
        self.leave_turns(inbox)
        if request.purge:
            self._purge(inbox.name, "its inbox was purged", now)
        if inbox.is_unused:
            del table.inboxes[inbox.name]

    def open_session(self, session: Session, now: Moment) -> None:
        """Add a session and number it."""
        session.number = self._last_session = self._last_session + 1
        session.inbox = self.table.inbox(session.name)
        session.is_open = True
        session.alive_at = now.loop
        session.inbox.sessions += 1
        session.inbox.last_seen = now.wall
        self.table.sessions[session.number] = session

    def close_session(self, session: Session, now: Moment) -> None:
        """Remove a session; the messages that it holds are deliverable again at once."""
        if self.table.sessions.pop(session.number, None) is None:
            return
        session.is_open = False
        inbox = self.table.inbox(session.name)
        inbox.sessions -= 1
        inbox.last_seen = now.wall
        for parked in list(session.parked or ()):
            self._answer_empty(parked)
        held, session.held = session.held, {}
        for message in held.values():
            self._give_back(message, SESSION_ENDED, now)
        for name in dict.fromkeys([inbox.name, *(message.inbox for message in held.values())]):
            self._serve(self.table.inbox(name), now)

    # Sending

    def send(self, session: Session, request: wire.Send, token: Token, now: Moment) -> None:
        """Store a message in the inboxes of its recipients.

        The common case, a plain message to one participant, is decided here, in one function; every
        other case is left to `post`.

        Raises:
            HiveError: Nothing was stored; the message has the reason.
        """
        table, limits = self.table, self.limits
        inbox, sender = table.inboxes.get(request.to), session.inbox
        if (
            inbox is None
            or inbox.kind not in COUNTED
            or not session.is_counted
            or sender is None
            or request.priority is not _NORMAL
            or request.in_reply_to is not None
            or request.ttl_seconds is not None
            or request.delay_seconds is not None
            or request.not_before is not None
            or request.dedupe_key is not None
            or request.supersede_key is not None
            or table.expiries.entries
            or self.sending.guard.tripped
            or self.turns.limit is not None
        ):
            self.post_and_answer(session, Post(request), token, now)
            return
        size = admission.size_of(request.body, limits)
        admission.require_room(inbox, session.name, size, limits)
        admission.spend(sender, size, limits, now.loop)
        if sender is not inbox and not self.sending.guard.passes(
            session.name, inbox.name, now.loop
        ):
            admission.give_back(sender, size)
            self.post_and_answer(session, Post(request), token, now)
            return
        number = table.last_id = table.last_id + 1
        message = Message(
            number,
            inbox.name,
            session.name,
            session.kind,
            _MESSAGE,
            size,
            now.wall,
            body=request.body,
        )
        if not (inbox.number and session.is_written):
            table.ensure_rows(inbox, session)
        table.add(message, inbox)
        sender.totals.sent += 1
        inbox.totals.received += 1
        parked = None if inbox.ready else inbox.receiver_of(NORMAL)
        if parked is None:
            inbox.queue(message)
        else:
            parked.unpark()
            self._grant(parked, [message], now, is_new=True)
        effects = table.effects
        effects.changes.inserted += (
            number,
            inbox.number,
            session.number,
            size,
            now.wall,
            0 if parked is None else 1,
            message.attempts,
            message.deliveries,
            message.lease,
            message.session,
            message.leased_at,
            request.body,
        )
        effects.inserted.append(message)
        stored = Stored(ok=True, id=number, recipients=inbox.recipients)
        effects.answers.append((session, token, stored, True))

    def post_and_answer(self, session: Session, post: Post, token: Token, now: Moment) -> None:
        """Store a message of any kind and answer with its id.

        A participant may reply only to a message that it sent or got; the operator and the daemon,
        to any.

        Raises:
            HiveError: Nothing was stored; the message has the reason.
        """
        answered = post.posting.in_reply_to
        if (
            answered is not None
            and not self.sending.is_repeat(session, post, now)
            and not self.sending.may_reply(session, answered)
        ):
            reply = partial(self.post, session, post, now)
            self.sending.reply_after_lookup(session, token, answered, reply, now)
            return
        stored = self.post(session, post, now)
        self.table.effects.answers.append((session, token, stored, True))

    def post(self, session: Session, post: Post, now: Moment) -> Stored:
        """Store a message of any kind in the inboxes of its recipients.

        Raises:
            HiveError: Nothing was stored; the message has the reason.
        """
        queue = self._create_queue(session, post.posting.to)
        try:
            stored = self.sending.post(session, post, now)
        finally:
            if queue is not None:
                self._store_queue(queue, now)
        self.is_due_changed = True
        if not stored.duplicate:
            self._follow_up(now)
            for name in stored.recipients:
                self._serve(self.table.inboxes[name], now)
        return stored

    def _follow_up(self, now: Moment) -> None:
        """Expire superseded messages, and notify the pairs whose circuit has opened."""
        self._expire_replaced(now)
        tripped, self.sending.tripped = self.sending.tripped, []
        for circuit in tripped:
            notice = Notice.of_loop(circuit)
            self.table.effects.notices.append(notice)
            for name in circuit.pair:
                self.try_post(notice.post(name), now)

    def reset_loop(self, one: str, other: str, now: Moment) -> int:
        """Close the circuit of a pair and queue its messages, in order; return their number.

        Raises:
            ConflictError: The circuit is not open.
        """
        circuit = self.sending.guard.reset(one, other)
        if circuit is None:
            raise ConflictError(f"{one!r} and {other!r} may talk: their circuit is not open")
        for message in circuit.parked.values():
            self.table.release(message, now)
            self.sending.threads.reset_hops(message.id)
        detail = {"pair": list(circuit.pair), "released": len(circuit.parked)}
        notice = Notice(EventKind.LOOP_RESET, circuit.pair[0], detail)
        self.table.effects.notices.append(notice)
        self.is_due_changed = True
        for name in circuit.pair:
            self._serve(self.table.inbox(name), now)
        return len(circuit.parked)

    def restore(self, messages: Iterable[Message], now: Moment) -> None:
        """Add dead letters that were made deliverable again on disk."""
        for message in messages:
            if message.id not in self.table.messages:
                self._ensure_inbox(message)
                self.table.restore(message)
                self._serve(self.table.inboxes[message.inbox], now)

    # Receiving

    def recv(self, session: Session, request: wire.Recv, token: Token, now: Moment) -> None:
        """Ack, then grant messages to the receiver, or park it until there are any.

        The messages are those of the session's participant, or of a work queue.

        Raises:
            ConflictError: It may wait, and the session has `PARKED_MAX` parked receivers.
            UnknownNameError: There is no such queue.
        """
        inbox = home = session.inbox
        wait = request.wait_seconds
        assert inbox is not None
        assert home is not None
        if wait and session.parked and len(session.parked) >= PARKED_MAX:
            raise too_many_parked(session)
        if request.queue is not None:
            inbox = self._queue(request.queue)
        if request.ack:
            stale = self._ack(session, request.ack, None, now)
            if stale:
                # Repeating an ack is not an error, but only the disk knows; so this `recv` gets
                # no messages, and the receiver repeats it.
                nothing = Received(ok=True, messages=[])
                self.table.effects.answer_stale(session, token, stale, nothing, ordered=not wait)
                return
        if self.table.expiries.entries:
            self._expire(now)
        parked = Parked(
            session, token, inbox, request.max, request.urgent, not wait, request.max_bytes
        )
        is_free = not home.paused and home.frozen_at is None
        if inbox.ready and is_free and self.turns.limit is not None:
            is_free = self._may_take(session, now)
        if inbox.ready and is_free and (taken := inbox.take(parked)):
            self._grant(parked, taken, now)
        elif wait and request.max:
            self._park(parked, wait, now)
            if request.ack:
                self.table.effects.acking.append(parked)
        else:
            self._answer_empty(parked)

    def heartbeat(
        self, session: Session, request: wire.Heartbeat, token: Token, now: Moment
    ) -> None:
        """Record that the receiver works on these messages; any request extends its leases."""
        stale: list[Stale] = []
        for number in dict.fromkeys(request.ids):
            message = self._held(session, number, None)
            if isinstance(message, Stale):
                stale.append(message)
            else:
                self.table.mark_in_turn(message, now)
        done = {"lease_seconds": self.limits.lease_seconds}
        self.table.effects.answer_stale(session, token, stale, done)

    # Ending

    def ack(self, session: Session, request: wire.Ack, token: Token, now: Moment) -> None:
        """End these messages as acked; the answer names those that the session does not hold."""
        stale = self._ack(session, request.ids, request.lease, now)
        self.table.effects.answer_stale(session, token, stale, {}, lease=request.lease)

    def _ack(
        self, session: Session, ids: Sequence[int], lease: str | None, now: Moment
    ) -> list[Stale]:
        """End these messages as acked; return those that are not held.

        A message is held if it is leased to this session, or under the given lease.
        """
        table, held = self.table, session.held
        stale: dict[int, Stale] = {}
        for number in ids:
            message = held.pop(number, None) if lease is None else None
            if message is None:
                found = stale.get(number) or self._held(session, number, lease)
                if isinstance(found, Stale):
                    stale[number] = found
                    continue
                message = found
                table.unassign(message)
            table.ack(message, now)
        return list(stale.values()) if stale else []

    def ack_turn(self, session: Session, request: wire.AckTurn, token: Token, now: Moment) -> None:
        """Ack all messages that were handed over to a session; the answer names those it lost.

        A message whose lease is not committed yet belongs to the next turn of the session.
        """
        del request
        held, session.held = session.held, {}
        for message in held.values():
            if self._is_handed_over(message):
                self.table.ack(message, now)
            else:
                session.held[message.id] = message
        lost, session.lost = session.lost or {}, None
        stale = [Stale(number, why) for number, why in lost.items()]
        self.table.effects.answer_stale(session, token, stale, {})

    def nack(self, session: Session, request: wire.Nack, token: Token, now: Moment) -> None:
        """Return one message.

        With `DEFER` the attempt does not count. With `FAIL` it counts, and without a delay the
        message is deferred for a time that doubles with each failure. `REJECT` makes it a dead
        letter.
        """
        message = self._held(session, request.id, request.lease)
        if isinstance(message, Stale):
            self.table.effects.answer_stale(
                session, token, [message], {}, lease=request.lease, is_ack=False
            )
            return
        self.table.unassign(message)
        reason, delay = request.reason, request.delay_seconds
        match request.mode:
            case NackMode.REJECT:
                self._end(message, _DEAD, reason or "rejected by its receiver", now)
            case NackMode.DEFER:
                self._put_back(
                    message, reason or "deferred", now, step=Step.NACKED, rest=delay, counted=False
                )
            case NackMode.FAIL:
                rest = retry_delay(message.attempts) if delay is None else delay
                why = reason or "its receiver failed"
                self._return(message, why, now, step=Step.NACKED, rest=rest)
        self._serve(self.table.inboxes[message.inbox], now)
        self.table.effects.answer_stale(session, token, [], {})

    def requeue_inflight(
        self, session: Session, request: wire.RequeueInflight, token: Token, now: Moment
    ) -> None:
        """Return the messages of all sessions of the participant; answer with their number."""
        del request
        session.lost = None
        places: list[str] = []
        for other in self._sessions_of(session.name):
            held, other.held = other.held, {}
            for message in held.values():
                if other is session:
                    self._give_back(message, REQUEUED, now)
                else:
                    self._take_from(other, message, REQUEUED, now)
                places.append(message.inbox)
        for name in dict.fromkeys(places):
            self._serve(self.table.inboxes[name], now)
        requeued = {"requeued": len(places)}
        self.table.effects.answers.append((session, token, requeued, True))

    def mark_read(self, name: str, ids: Iterable[int], now: Moment) -> int:
        """End messages as acked that were read without a lease; return their number."""
        count = 0
        for number in ids:
            message = self.table.messages.get(number)
            if message is not None and message.inbox == name and message.state is _STORED:
                self._end(message, _ACKED, "read", now)
                count += 1
        return count

    def _held(self, by: Session, number: int, lease: str | None) -> Message | Stale:
        """Return a message that a session holds, or holds by the lease that it names."""
        message = self.table.messages.get(number)
        if message is None:
            return Stale(number, None)
        why = why_not_held(message, by, lease, self.table.holder(message))
        return message if why is None else Stale(number, why)

    # Work queues

    def add_queue(self, name: str) -> None:
        """Add a work queue."""
        self.queues[name] = None
        self.add_inbox(QUEUE_PREFIX + name, Kind.QUEUE)

    def remove_queue(self, name: str, now: Moment, *, force: bool) -> int:
        """Remove a work queue; return the number of its messages, which become dead letters.

        Raises:
            UnknownNameError: There is no such queue.
            ConflictError: It holds messages, and `force` is not set.
        """
        inbox = self._queue(name)
        if inbox.unread and not force:
            held = counted(inbox.unread, "message")
            raise ConflictError(
                f"the queue {name!r} holds {held}, {inbox.leased} in work; let them be done, or "
                f"'hive-c0re remove-queue {name} --force' makes them dead letters"
            )
        ended = self._purge(inbox.name, "its queue was removed", now)
        self._remove_queue(name)
        self.table.effects.changes.others.append(participants.remove_queue(name))
        return ended

    def _create_queue(self, session: Session, to: str) -> str | None:
        """Add the queue that the operator sends a first message to; return its name, else None."""
        if session.kind is not Kind.OPERATOR or not to.startswith(QUEUE_PREFIX):
            return None
        name = check_group_name(to.removeprefix(QUEUE_PREFIX))
        if name in self.queues:
            return None
        self.add_queue(name)
        return name

    def _store_queue(self, name: str, now: Moment) -> None:
        """Write a new queue to disk, or remove it if its first message was not stored."""
        if self.table.inboxes[QUEUE_PREFIX + name].unread:
            self.table.effects.changes.others.append(participants.add_queue(name, now.wall))
        else:
            self._remove_queue(name)

    def _remove_queue(self, name: str) -> None:
        """Remove a queue without messages; its parked receivers are answered without any."""
        del self.queues[name]
        inbox = self.table.inboxes.pop(QUEUE_PREFIX + name)
        for parked in inbox.parked:
            self._answer_empty(parked)

    def _queue(self, name: str) -> Inbox:
        if name not in self.queues:
            raise UnknownNameError(f"there is no queue {name!r}{suggest(name, self.queues)}")
        return self.table.inboxes[QUEUE_PREFIX + name]

    def _ensure_inbox(self, message: Message) -> None:
        """Create the inbox of a message if there is none; a removed queue is added again."""
        if not message.inbox.startswith(QUEUE_PREFIX):
            self.table.inbox(message.inbox)
        elif (name := message.inbox.removeprefix(QUEUE_PREFIX)) not in self.queues:
            self.add_queue(name)

    # Restart

    def load(self, found: Undelivered, now: Moment) -> None:
        """Replace everything in memory but sessions and inboxes by the state on disk.

        A lease whose session is still open continues; any other has ended.
        """
        table = self.table
        for session in table.sessions.values():
            session.held.clear()
            session.is_written = False
        for name in self.queues.keys() - set(found.queues):
            self._remove_queue(name)
        table.load(found.rows, found.last_id, dict(found.inboxes), now)
        self.sending.load(found, now)
        for name in found.queues:
            self.add_queue(name)
        for message in found.rows:
            self._ensure_inbox(message)
            if message.state is _LEASED:
                self._resume(message, now)
        table.queue_deferred(now)
        self.turns.count_anew(table.sessions.values())
        for inbox in list(table.inboxes.values()):
            self._serve(inbox, now)
        self.is_due_changed = True

    def _resume(self, message: Message, now: Moment) -> None:
        holder = self.table.holder(message)
        if holder is None:
            why = DAEMON_ENDED if message.lease < self._first_lease else SESSION_ENDED
            self._put_back(message, why, now, step=Step.RETURNED, rest=None)
            return
        if not self._is_handed_over(message):
            self._undo_lease(message, now)
            return
        message.leased_loop = now.loop
        holder.held[message.id] = message
        if self._lease_due is None:
            self._lease_due = now.loop + self.limits.lease_seconds
