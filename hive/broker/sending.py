"""Taking messages in: what a request to send becomes, in whose inboxes, or why it is refused.

This is the general way, for everything that a sender may say and for what the daemon itself sends.
A plain message to one participant goes the short way, `Rules.send`.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field
from msgspec import UNSET

from hive.broker import addressing, admission
from hive.broker.dedupe import Keys
from hive.broker.inboxes import Inbox
from hive.broker.loop_guard import Circuit, Descent, LoopGuard, Threads
from hive.broker.messages import MessageTable, succession
from hive.broker.sessions import COUNTED, Session
from hive.broker.values import Moment, Post
from hive.config import Limits
from hive.errors import HiveError
from hive.names import EVERYONE, REMINDER
from hive.store import Kind, Message, MessageKind, MessageState
from hive.store.messages import Undelivered
from hive.wire.agent import Posting
from hive.wire.enums import Priority
from hive.wire.rows import SkippedRow, Stored

RANKS = {Priority.HIGH: -1, Priority.NORMAL: 0, Priority.LOW: 1}
"""What goes first among the messages of an inbox; within a rank, the lower id."""


@define(eq=False)
class Sending:
    """Decides about what is to be sent and puts it into the table.

    Attributes:
        groups: Members of each group.
        replaced: Messages that a newer one took the place of since the last look, and which.
        tripped: Circuits that opened since the last look.
    """

    table: MessageTable
    limits: Limits
    groups: Mapping[str, frozenset[str]] = field(factory=dict)
    replaced: list[tuple[Message, int]] = field(factory=list, init=False)
    tripped: list[Circuit] = field(factory=list, init=False)
    keys: Keys = field(init=False)
    guard: LoopGuard = field(init=False)
    threads: Threads = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.keys = Keys(self.limits.dedupe_window)
        self.guard = LoopGuard(self.limits.pair_rate, self.limits.max_hops)
        self.threads = Threads(self.table.messages)

    def post(self, session: Session, post: Post, now: Moment) -> Stored:
        """Put a message into the inboxes that it is for.

        Raises:
            HiveError: When nothing was stored, with the reason.
        """
        key = post.posting.dedupe_key
        if key is not None:
            before = self.keys.find(session.name, key, now.wall)
            if before is not None:
                return before
        stored = self._count(session, post, now)
        if key is not None and stored.id is not UNSET:
            self.keys.remember(session.name, key, stored, now.wall)
        return stored

    def load(self, found: Undelivered) -> None:
        """Take over what is on disk, in place of what came from disk before."""
        self.replaced.clear()
        self.tripped.clear()
        self.groups = found.groups
        self.keys.load(found.used_keys)
        self.threads.load(found.lineage)
        self.guard.load(row for row in found.rows if row.state is MessageState.PARKED)

    def _count(self, session: Session, post: Post, now: Moment) -> Stored:
        """Send the message of a session whose messages may be counted, if they are stored."""
        if not session.is_counted or session.inbox is None:
            return self._distribute(session, post, now)
        admission.spend(session.inbox, self.limits.rate, now.loop)
        try:
            return self._distribute(session, post, now)
        except HiveError:
            admission.give_back(session.inbox)
            raise

    def _distribute(self, session: Session, post: Post, now: Moment) -> Stored:
        posting = post.posting
        if post.label is not None:
            admission.require_text(post.label)
        letter = _Letter(
            session,
            post,
            admission.size_of(posting.body, self.limits),
            self.threads.of_reply(posting.in_reply_to, _author_kind(session, post)),
        )
        admission.require_sent(posting.in_reply_to, self.table.last_id)
        if addressing.is_one(posting.to):
            return self._deliver(letter, now)
        return self._broadcast(letter, now)

    def _deliver(self, letter: _Letter, now: Moment) -> Stored:
        inboxes = self.table.inboxes
        inbox = inboxes[addressing.one(letter.post.posting.to, inboxes)]
        self._require_room(inbox, letter)
        if letter.post.transient and not inbox.is_heard:
            return Stored(ok=True, id=UNSET, recipients=())
        message = self._store(letter, inbox, now)
        return Stored(ok=True, id=message.id, recipients=inbox.recipients, parked=message.reason)

    def _broadcast(self, letter: _Letter, now: Moment) -> Stored:
        names, skipped = addressing.recipients(
            letter.post.posting.to,
            letter.session.name,
            self.table.inboxes,
            self.groups,
            unseen_since=now.wall - self.limits.unseen_after,
        )
        stored: list[Message] = []
        refused: list[HiveError] = []
        for name in names:
            inbox = self.table.inboxes[name]
            try:
                self._require_room(inbox, letter)
            except HiveError as error:
                refused.append(error)
                skipped.append(SkippedRow(name=name, reason=str(error)))
                continue
            if not letter.post.transient or inbox.is_heard:
                stored.append(self._store(letter, inbox, now))
        if refused and not stored:
            raise refused[0]
        return Stored(
            ok=True,
            id=stored[0].id if stored else UNSET,
            recipients=tuple(message.inbox for message in stored),
            skipped=skipped,
            parked=next((message.reason for message in stored if message.reason), None),
        )

    def _require_room(self, inbox: Inbox, letter: _Letter) -> None:
        counted = _author_kind(letter.session, letter.post) in COUNTED
        admission.require_room(inbox, letter.size, self.limits, is_counted=counted)

    def _store(self, letter: _Letter, inbox: Inbox, now: Moment) -> Message:
        self.table.last_id += 1
        message = letter.message(self.table.last_id, inbox.name, now.wall)
        self.threads.note(message.id, letter.descent)
        self._watch_for_loops(message, inbox, now)
        if message.supersede_key is not None:
            self._replace(message)
        self.table.put(message, inbox, letter.session)
        return message

    def _replace(self, message: Message) -> None:
        for older in self.table.keyed.get(succession(message), {}).values():
            if older.state is not MessageState.LEASED:
                self.replaced.append((older, message.id))

    def _watch_for_loops(self, message: Message, inbox: Inbox, now: Moment) -> None:
        """Park a message whose sender and receiver loop."""
        sender, to, guard = message.sender, inbox.name, self.guard
        if message.sender_kind is Kind.OPERATOR:
            guard.note_operator(to, now.loop)
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
class _Letter:
    """A message that was admitted, before it has an id: the same for each of its recipients."""

    session: Session
    post: Post
    size: int
    descent: Descent

    def message(self, number: int, inbox: str, now: float) -> Message:
        """Return it as what an inbox holds; `now` is wall seconds."""
        post, posting = self.post, self.post.posting
        return Message(
            number,
            inbox,
            REMINDER if post.kind is MessageKind.REMINDER else self.session.name,
            _author_kind(self.session, post),
            post.kind if posting.to != EVERYONE else MessageKind.BROADCAST,
            self.size,
            now,
            MessageState.STORED,
            posting.in_reply_to,
            post.label,
            self.descent.thread,
            RANKS[posting.priority],
            _due(posting, now),
            None if posting.ttl_seconds is None else now + posting.ttl_seconds,
            posting.dedupe_key,
            posting.supersede_key,
            self.descent.hops,
            body=posting.body,
        )


def _author_kind(session: Session, post: Post) -> Kind:
    """Return what the sender of a message is; a reminder is sent by nobody."""
    return Kind.SYSTEM if post.kind is MessageKind.REMINDER else session.kind


def _due(posting: Posting, now: float) -> float | None:
    """Return the wall time before which a message is not delivered, None for at once."""
    when = now + posting.delay_seconds if posting.delay_seconds else posting.not_before
    return when if when is not None and when > now else None
