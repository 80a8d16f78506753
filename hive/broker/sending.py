"""Sending: the admission of a message, its recipients, and its place in their inboxes.

These are the rules for messages of every kind, those of the daemon included. `Rules.send` has a
shorter path for plain messages to one participant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import define, field
from msgspec import UNSET

from hive.broker import admission
from hive.broker.dedupe_keys import DedupeKeys
from hive.broker.inboxes import Inbox, is_single, recipients, resolve
from hive.broker.loop_guard import Circuit, LoopGuard, ThreadPosition, Threads
from hive.broker.messages import MessageTable, supersede_key_of
from hive.broker.sessions import COUNTED, Session
from hive.broker.values import RANKS, Moment, Post, Token, Value
from hive.config import Limits
from hive.errors import HiveError
from hive.names import EVERYONE, QUEUE_PREFIX, REMINDER
from hive.store import Kind, Message, MessageKind, MessageState
from hive.store.messages import FindParties, Parties, Undelivered
from hive.wire.agent import Posting
from hive.wire.rows import SkippedRow, Stored


@define(eq=False)
class SendingRules:
    """Decides about messages to be sent and adds them to the table.

    Attributes:
        groups: Members of each group.
        replaced: Superseded messages that the caller must expire, each with the id of the newer.
        tripped: Circuits that have opened, about which the caller must notify the pair.
    """

    table: MessageTable
    limits: Limits
    groups: Mapping[str, frozenset[str]] = field(factory=dict)
    replaced: list[tuple[Message, int]] = field(factory=list, init=False)
    tripped: list[Circuit] = field(factory=list, init=False)
    keys: DedupeKeys = field(init=False)
    guard: LoopGuard = field(init=False)
    threads: Threads = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.keys = DedupeKeys(self.limits.dedupe_window, self.limits.dedupe_keys)
        self.guard = LoopGuard(self.limits.pair_rate, self.limits.max_hops)
        self.threads = Threads(self.table.messages)

    def set_limits(self, limits: Limits) -> None:
        """Change the limits; what is stored stays."""
        self.limits = limits
        self.keys.window, self.keys.most = limits.dedupe_window, limits.dedupe_keys
        self.guard.set_limits(limits.pair_rate, limits.max_hops)

    def post(self, session: Session, post: Post, now: Moment) -> Stored:
        """Store a message in the inboxes of its recipients.

        Raises:
            HiveError: Nothing was stored; the message has the reason.
        """
        key = post.posting.dedupe_key
        if key is not None:
            before = self.keys.find(session.name, key, now.loop)
            if before is not None:
                return before
            if session.is_counted:
                self.keys.require_room(session.name, now.loop)
        stored = self._post_counted(session, post, now)
        if key is not None and stored.id is not UNSET:
            self.keys.record(session.name, key, stored, now.loop)
        return stored

    def may_reply(self, session: Session, answered: int) -> bool:
        """Return whether a session may reply to a message; False if only the disk knows.

        A participant may reply to what it sent, what came to its inbox, and what it took from a
        work queue; the operator and the daemon, to any message.

        Raises:
            NotFoundError: It may not, or there is no such message.
        """
        table, name = self.table, session.name
        if not session.is_counted:
            return True
        message = table.messages.get(answered)
        if message is not None:
            sender, inbox, number = message.sender, message.inbox, message.session
        elif (ended := table.find_ended(answered)) is not None:
            _, sender, inbox, number = ended
        elif 0 < answered <= table.last_id:
            return False
        else:
            raise admission.no_message_error(answered, name)
        if name in (sender, inbox):
            return True
        if not inbox.startswith(QUEUE_PREFIX):
            raise admission.no_message_error(answered, name)
        holder = table.sessions.get(number)
        return holder is not None and holder.name == name

    def is_repeat(self, session: Session, post: Post, now: Moment) -> bool:
        """Return whether a message with the dedupe key of this one is stored already."""
        key = post.posting.dedupe_key
        return key is not None and self.keys.find(session.name, key, now.loop) is not None

    def reply_after_lookup(
        self,
        session: Session,
        token: Token,
        answered: int,
        post: Callable[[], Stored],
        now: Moment,
    ) -> None:
        """Store a reply by `post` if the disk says that the session may reply to the message.

        The later requests of the session wait for that, so that its messages stay in order. A
        lookup that refuses the reply counts against the rate of the sender.

        Raises:
            RateLimitedError: The sender is too fast; nothing is looked up.
        """
        sender = session.inbox
        assert sender is not None
        admission.spend(sender, 0, self.limits, now.loop)

        def reply(found: Parties | None) -> Value | None:
            is_party = found and session.name in {found.sender, *found.receivers}
            if not is_party or not session.is_open:
                return admission.no_message_error(answered, session.name)
            admission.give_back(sender, 0)
            try:
                stored = post()
            except HiveError as error:
                return error
            self.table.effects.answers.append((session, token, stored, True))
            return None

        lookup = FindParties(answered)
        self.table.effects.ask_disk(session, token, lookup, reply, is_blocking=True)

    def load(self, found: Undelivered, now: Moment) -> None:
        """Replace groups, dedupe keys, threads and circuits by those on disk."""
        self.replaced.clear()
        self.tripped.clear()
        self.groups = found.groups
        self.keys.load(found.used_keys, now)
        self.threads.load(found.lineage)
        self.guard.load(row for row in found.rows if row.state is MessageState.PARKED)

    def _post_counted(self, session: Session, post: Post, now: Moment) -> Stored:
        """Store a message; it counts against the rate of its sender if it was stored."""
        if not session.is_counted or session.inbox is None:
            return self._distribute(session, post, now)
        size = admission.size_of(post.posting.body, self.limits)
        admission.spend(session.inbox, size, self.limits, now.loop)
        try:
            stored = self._distribute(session, post, now)
        except HiveError:
            admission.give_back(session.inbox, size)
            raise
        session.inbox.room -= size * max(0, len(stored.recipients) - 1)
        return stored

    def _distribute(self, session: Session, post: Post, now: Moment) -> Stored:
        posting = post.posting
        if post.label is not None:
            admission.require_text(post.label)
        admitted = _AdmittedMessage(
            session,
            post,
            admission.size_of(posting.body, self.limits),
            self.threads.of_reply(posting.in_reply_to, _author_kind(session, post)),
            _due(posting, now),
        )
        if posting.not_before is not None and not posting.delay_seconds:
            admission.require_to_come(posting.not_before, now.wall)
        if admitted.due is not None:
            admission.require_horizon(admitted.due, now.wall, self.limits)
        admission.require_sent(posting.in_reply_to, self.table.last_id)
        if is_single(posting.to):
            return self._deliver(admitted, now)
        return self._broadcast(admitted, now)

    def _deliver(self, admitted: _AdmittedMessage, now: Moment) -> Stored:
        inboxes = self.table.inboxes
        inbox = inboxes[resolve(admitted.post.posting.to, inboxes)]
        self._require_room(inbox, admitted)
        if not admitted.is_wanted(inbox):
            return Stored(ok=True, id=UNSET, recipients=())
        message = self._store(admitted, inbox, now)
        return Stored(ok=True, id=message.id, recipients=inbox.recipients, parked=message.reason)

    def _broadcast(self, admitted: _AdmittedMessage, now: Moment) -> Stored:
        names, skipped = recipients(
            admitted.post.posting.to,
            admitted.session.name,
            self.table.inboxes,
            self.groups,
            unseen_since=now.wall - self.limits.unseen_after,
        )
        stored: list[Message] = []
        refused: list[HiveError] = []
        for name in names:
            inbox = self.table.inboxes[name]
            try:
                self._require_room(inbox, admitted)
            except HiveError as error:
                refused.append(error)
                skipped.append(SkippedRow(name=name, reason=str(error)))
                continue
            if admitted.is_wanted(inbox):
                stored.append(self._store(admitted, inbox, now))
        if refused and not stored:
            raise refused[0]
        return Stored(
            ok=True,
            id=stored[0].id if stored else UNSET,
            recipients=tuple(message.inbox for message in stored),
            skipped=skipped,
            parked=next((message.reason for message in stored if message.reason), None),
        )

    def _require_room(self, inbox: Inbox, admitted: _AdmittedMessage) -> None:
        session, size, limits = admitted.session, admitted.size, self.limits
        if not session.is_counted:
            admission.require_reserve(inbox, session.kind, size, limits)
            return
        admission.require_room(inbox, admitted.sender, size, limits)
        if admitted.due is not None and admitted.post.kind is not MessageKind.REMINDER:
            deferred = self.table.deferred_by.get(session.name, 0)
            admission.require_deferrable(session.name, deferred, limits)

    def _store(self, admitted: _AdmittedMessage, inbox: Inbox, now: Moment) -> Message:
        self.table.last_id += 1
        message = admitted.message(self.table.last_id, inbox.name, now.wall)
        self.threads.record(message.id, admitted.position)
        self._check_loop(message, inbox, now)
        if message.supersede_key is not None:
            self._replace(message)
        is_delayed = bool(admitted.post.posting.delay_seconds)
        self.table.put(message, inbox, admitted.session, now, is_delayed=is_delayed)
        return message

    def _replace(self, message: Message) -> None:
        for older in self.table.keyed.get(supersede_key_of(message), {}).values():
            if older.state is not MessageState.LEASED:
                self.replaced.append((older, message.id))

    def _check_loop(self, message: Message, inbox: Inbox, now: Moment) -> None:
        """Park a message if the circuit of its pair is open, or opens with it."""
        sender, to, guard = message.sender, inbox.name, self.guard
        if message.sender_kind is Kind.OPERATOR:
            guard.record_operator(to, now.loop)
        if sender == to or message.sender_kind not in COUNTED or inbox.kind not in COUNTED:
            return
        circuit = guard.find(sender, to)
        if circuit is None:
            why = guard.why_parked(sender, to, message.hops, now.loop)
            if why is None:
                return
            circuit = guard.trip(sender, to, why, now.wall)
            self.tripped.append(circuit)
        circuit.parked[message.id] = message
        message.state = MessageState.PARKED
        message.reason = circuit.why


@define(eq=False)
class _AdmittedMessage:
    """A message after its admission, without recipient and id."""

    session: Session
    post: Post
    size: int
    position: ThreadPosition
    due: float | None

    @property
    def sender(self) -> str:
        """Its sender as the message has it."""
        return REMINDER if self.post.kind is MessageKind.REMINDER else self.session.name

    def is_wanted(self, inbox: Inbox) -> bool:
        """Return whether it is stored there: a transient one only if a receiver waits for it."""
        rank = RANKS[self.post.posting.priority]
        return not self.post.transient or inbox.receiver_of(rank) is not None

    def message(self, number: int, inbox: str, now: float) -> Message:
        """Return the copy for one inbox; `now` is wall seconds."""
        post, posting = self.post, self.post.posting
        return Message(
            number,
            inbox,
            self.sender,
            _author_kind(self.session, post),
            post.kind if posting.to != EVERYONE else MessageKind.BROADCAST,
            self.size,
            now,
            MessageState.STORED,
            posting.in_reply_to,
            post.label,
            self.position.thread,
            RANKS[posting.priority],
            self.due,
            None if posting.ttl_seconds is None else now + posting.ttl_seconds,
            posting.dedupe_key,
            posting.supersede_key,
            self.position.hops,
            body=posting.body,
        )


def _author_kind(session: Session, post: Post) -> Kind:
    """Return the kind of a message's sender; for a reminder that is the system."""
    return Kind.SYSTEM if post.kind is MessageKind.REMINDER else session.kind


def _due(posting: Posting, now: Moment) -> float | None:
    """Return the wall time before which a message is deferred, None if it is not."""
    when = now.wall + posting.delay_seconds if posting.delay_seconds else posting.not_before
    return when if when is not None and when > now.wall else None
