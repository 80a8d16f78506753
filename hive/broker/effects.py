"""Effects of decisions: rows to write, grants to hand over, answers to give, notices to publish.

The rules add to one `Effects` while they decide. A commit writes its rows in one transaction, and
then hands over its grants and gives its answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from attrs import frozen

from hive.broker.loop_guard import Circuit
from hive.broker.sessions import Parked, Session, Stale, stale_error, why_ended
from hive.broker.values import PRIORITIES, Post, Token, Value, event
from hive.clock import rfc3339
from hive.errors import HiveError
from hive.store import Message, MessageKind, MessageState
from hive.store.messages import Changes, Written, by_id, lease_values, update_values
from hive.store.questions import Question, row_of
from hive.store.records import lease_name
from hive.store.transaction import Op, RolledBack, apply_in_savepoint
from hive.wire.enums import EventKind
from hive.wire.rows import Delivery, Received

_LEASED = MessageState.LEASED
_PLAIN = MessageKind.MESSAGE

REASON_MAX = 400
"""Most characters of a participant's reason, or of a lost notice, in a notice."""


@frozen
class Notice:
    """Something that happened to messages, for the event log and for senders.

    Attributes:
        name: The participant that it is about.
        detail: Further fields, as JSON values.
    """

    kind: EventKind
    name: str
    detail: Mapping[str, Any]

    @classmethod
    def of_expired(cls, message: Message) -> Notice:
        """Return the notice about a message whose time to live has passed."""
        detail = {"id": message.id, "to": message.inbox, "sent_at": rfc3339(message.sent_at)}
        return cls(EventKind.EXPIRED, message.inbox, detail)

    @classmethod
    def of_loop(cls, circuit: Circuit) -> Notice:
        """Return the notice about a circuit that has just opened."""
        detail = {"pair": list(circuit.pair), "reason": circuit.why}
        return cls(EventKind.LOOP_TRIPPED, circuit.pair[0], detail)

    @classmethod
    def of_dead_letter(cls, message: Message) -> Notice:
        """Return the notice about a message that has just become a dead letter."""
        detail = {
            "id": message.id,
            "from": message.sender,
            "to": message.inbox,
            "attempts": message.attempts,
            "reason": (message.reason or "")[:REASON_MAX],
        }
        return cls(EventKind.DEAD_LETTER, message.inbox, detail)

    @classmethod
    def of_dropped(cls, post: Post, count: int, error: HiveError) -> Notice:
        """Return the notice about messages of the daemon that an inbox could not take.

        Args:
            post: The newest of them.
            count: Their number since the last such notice.
            error: Why it could not take the newest.
        """
        to = post.posting.to
        what = post.posting.body[:REASON_MAX]
        detail = {"to": to, "count": count, "newest": what, "reason": str(error)}
        return cls(EventKind.NOTICE_DROPPED, to, detail)

    def post(self, to: str, *, about: str | None = None) -> Post:
        """Return the message of `system` that has this notice; for `about` see `event`."""
        return event(to, self.kind.value, self.detail, about=about)


class Grant(msgspec.Struct, eq=False):
    """Messages with their lease, handed over to a receiver once the lease is on disk."""

    parked: Parked
    lease: int
    messages: list[Message]

    def rows(self, bodies: Mapping[int, str]) -> list[Delivery]:
        """Return the rows of the wire for the messages that are still leased under this lease.

        Args:
            bodies: The bodies that are not in memory, by message id.
        """
        lease = lease_name(self.lease)
        return [
            _row(message, bodies[message.id] if message.body is None else message.body, lease)
            for message in self.messages
            if message.lease == self.lease and message.state is _LEASED
        ]

    def hand_over(self, written: Written) -> bool:
        """Answer the receiver; return False if it is gone and its messages must be returned."""
        parked, rows = self.parked, self.rows(written.bodies)
        received = Received(ok=True, messages=rows)
        return parked.session.answer(parked.token, received, parked.ordered) or not rows

    def is_current(self, message: Message) -> bool:
        """Return whether a message is still leased under this lease."""
        return message.lease == self.lease and message.state is _LEASED


@frozen
class FromDisk:
    """An answer that is made from the result of an operation in the commit's transaction.

    Attributes:
        place: Index of the result among `Written.values`.
        finish: Makes the answer from the result, and updates memory; None if the answer comes with
            a later commit.
        is_blocking: Whether the session's later requests wait for it.
    """

    place: int
    finish: Callable[[Any], Value | None]
    is_blocking: bool = False

    def of(self, written: Written) -> Value | None:
        """Return the answer, or the operation's error; such a failure does not fail the commit."""
        outcome = written.values[self.place]
        return outcome.error if isinstance(outcome, RolledBack) else self.finish(outcome.value)


Answer = tuple[Session, Token, "Value | FromDisk | Grant", bool]
"""Session, request, answer, and whether it is given in the order of requests."""


class Effects(msgspec.Struct, eq=False):
    """Everything that follows from the decisions since the last commit was collected.

    Attributes:
        changes: The rows to write; those of `changed` are made when the commit is collected.
        changed: Messages whose row must be rewritten, by id; a plain ack is not such a change.
            Several changes of a message are one row.
        inserted: The new messages.
        questions: Questions whose row must be written, by id.
        acking: Parked receivers whose acks are in `changes`.
        grants: Messages to hand over. A grant to a receiver that did not park is also an answer.
        answers: The answers to give, in order.
        notices: Notices for the event log.
        dead_letters: Senders of new dead letters, with the notice for each.
    """

    changes: Changes = msgspec.field(default_factory=Changes)
    changed: dict[int, Message] = msgspec.field(default_factory=dict)
    inserted: list[Message] = msgspec.field(default_factory=list)
    questions: dict[int, Question] = msgspec.field(default_factory=dict)
    acking: list[Parked] = msgspec.field(default_factory=list)
    grants: list[Grant] = msgspec.field(default_factory=list)
    answers: list[Answer] = msgspec.field(default_factory=list)
    notices: list[Notice] = msgspec.field(default_factory=list)
    dead_letters: list[tuple[str, Notice]] = msgspec.field(default_factory=list)

    @property
    def is_written(self) -> bool:
        """Whether it has anything to write but plain acks, which may wait for the next commit."""
        return bool(self.changed or self.inserted or self.questions or self.changes.others)

    def ask_disk(
        self,
        session: Session,
        token: Token,
        op: Op[Any],
        finish: Callable[[Any], Value | None],
        *,
        ordered: bool = True,
        is_blocking: bool = False,
    ) -> None:
        """Add an operation to the commit's transaction; `finish` makes the answer of its result.

        With `is_blocking`, the later requests of the session are decided after `finish`.
        """
        others = self.changes.others
        others.append(partial(apply_in_savepoint, op=op))
        answer = FromDisk(len(others) - 1, finish, is_blocking)
        self.answers.append((session, token, answer, ordered))
        if is_blocking:
            session.queued = []

    def blocked_sessions(self) -> list[Session]:
        """Return the sessions whose later requests wait for one of the answers."""
        return [
            session
            for session, _, value, _ in self.answers
            if isinstance(value, FromDisk) and value.is_blocking
        ]

    def answer_stale(
        self,
        session: Session,
        token: Token,
        stale: Sequence[Stale],
        done: Value,
        *,
        lease: str | None = None,
        is_ack: bool = True,
        ordered: bool = True,
    ) -> None:
        """Answer an ack or a nack; messages that are not in memory are looked up on disk.

        Args:
            session: The session that made the request.
            token: The request.
            stale: The messages that are not held.
            done: The answer if none is stale; one whose ack is only repeated is not.
            lease: The lease that the request named.
            is_ack: Whether the request is an ack.
            ordered: Whether the answer is given in the order of requests.
        """
        if not stale:
            self.answers.append((session, token, done, ordered))
            return
        session.charge_stale(len(stale))

        def finish(rows: Mapping[int, Message]) -> Value:
            found = (
                (each.id, each.why or why_ended(rows.get(each.id), session, lease, is_ack=is_ack))
                for each in stale
            )
            whys = [(number, why) for number, why in found if why]
            return stale_error(whys) if whys else done

        missing = [each.id for each in stale if each.why is None]
        if not missing:
            self.answers.append((session, token, finish({}), ordered))
            return

        self.ask_disk(session, token, by_id(missing), finish, ordered=ordered)

    def collect(self) -> Changes:
        """Return the changes that bring the disk to the present state of memory."""
        changes = self.changes
        for message in self.changed.values():
            if message.state is _LEASED and message.in_turn_at is None:
                changes.leased += lease_values(message)
            else:
                changes.updated += update_values(message)
        changes.questions = [row_of(question) for question in self.questions.values()]
        changes.bodies = [
            message.id
            for grant in self.grants
            for message in grant.messages
            if message.body is None
        ]
        return changes

    def hand_over(self, written: Written) -> list[Grant]:
        """Hand over the grants of parked receivers, then give all answers.

        After an exception, `grants` and `answers` are those that were not reached, beginning with
        the one that failed.

        Returns:
            The grants whose receivers are gone.
        """
        waited = iter([grant for grant in self.grants if not grant.parked.ordered])
        answers = iter(self.answers)
        grant = answer = None
        unclaimed = []
        try:
            for grant in waited:
                if not grant.hand_over(written):
                    unclaimed.append(grant)  # noqa: PERF401 - the rest is refused on an error
            grant = None
            for answer in answers:
                session, token, value, ordered = answer
                if isinstance(value, Grant):
                    if not value.hand_over(written):
                        unclaimed.append(value)
                elif isinstance(value, FromDisk):
                    found = value.of(written)
                    if found is not None:
                        session.answer(token, found, ordered)
                else:
                    session.answer(token, value, ordered)
        except Exception:
            self.grants = [*filter(None, [grant]), *waited]
            self.answers = [*filter(None, [answer]), *answers]
            raise
        return unclaimed

    def refuse(self, error: Exception) -> None:
        """Answer everything with an error: the commit failed, or will not be tried."""
        for parked in self.acking:
            if parked.unpark():
                parked.session.answer(parked.token, error, parked.ordered)
        for grant in self.grants:
            if not grant.parked.ordered:
                grant.parked.session.answer(grant.parked.token, error, ordered=False)
        for session, token, _, ordered in self.answers:
            session.answer(token, error, ordered)
        self.acking.clear()
        self.grants.clear()
        self.answers.clear()


def _row(message: Message, body: str, lease: str) -> Delivery:
    kind = message.kind
    return Delivery(
        message.id,
        message.sender,
        body,
        rfc3339(message.sent_at),
        message.attempts,
        message.deliveries > 1,
        lease,
        message.sender_kind,
        message.in_reply_to,
        message.label,
        message.thread,
        PRIORITIES[message.priority],
        None if kind is _PLAIN else kind,
    )
