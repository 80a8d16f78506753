"""What decisions lead to: rows to write, mail to hand over, answers to give, things to tell.

The rules add to one `Effects` while they decide. It becomes a commit: what is in it is written
together, and after that everyone in it is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from attrs import frozen

from hive.broker.notices import Notice
from hive.broker.sessions import Parked, Session
from hive.broker.values import Token, Value
from hive.clock import rfc3339
from hive.store import Message, MessageKind, MessageState
from hive.store.messages import Changes, Written, leasing, moving
from hive.store.questions import Question, row_of
from hive.store.records import lease_name
from hive.store.unit import Op, Refused, guarded
from hive.wire.rows import Delivery

_LEASED = MessageState.LEASED
_PLAIN = MessageKind.MESSAGE

PRIORITIES = {-1: "high", 0: None, 1: "low"}
"""Names of the ranks of messages on the wire; the usual one is left out."""


class Grant(msgspec.Struct, eq=False):
    """Mail for a receiver, to be handed over once its leases are on disk."""

    parked: Parked
    lease: int
    messages: list[Message]

    def rows(self, bodies: Mapping[int, str]) -> list[Delivery]:
        """Return its messages as the wire delivers them: those that are still leased under it.

        Args:
            bodies: Those that memory has let go of, by id.
        """
        lease = lease_name(self.lease)
        return [
            _row(message, bodies[message.id] if message.body is None else message.body, lease)
            for message in self.messages
            if message.lease == self.lease and message.state is _LEASED
        ]

    def is_current(self, message: Message) -> bool:
        """Return whether one of its messages is still leased under it."""
        return message.lease == self.lease and message.state is _LEASED


@frozen
class FromDisk:
    """An answer that is made of what a write or a look at the disk returns.

    Attributes:
        place: Where that is among what the commit returns.
        finish: Makes the answer, and does in memory what follows from it.
    """

    place: int
    finish: Callable[[Any], Value]

    def of(self, written: Written) -> Value:
        """Return the answer; if the write or look failed, without harm to others, its error."""
        outcome = written.values[self.place]
        return outcome.error if isinstance(outcome, Refused) else self.finish(outcome.value)


Answer = tuple[Session, Token, "Value | FromDisk | Grant", bool]
"""Who is answered, which request, the answer, and whether in the order of requests."""


class Effects(msgspec.Struct, eq=False):
    """Everything that follows from what was decided since the last commit began.

    Attributes:
        changes: What is written; `changed` joins it when the commit begins.
        changed: Messages that are on disk, or are inserted with this commit, and have changed in
            any way but a usual ack, by id. Their rows are made when the commit begins, so several
            changes of one are one.
        inserted: The messages that are new.
        questions: Questions whose row must be written, by id.
        acking: Receivers that wait, and whose acks are in `changes`.
        grants: Mail to hand over; what was not waited for is among the answers, too.
        answers: What to answer, in order.
        notices: What happened, for the event log and for senders.
        dead_letters: Notices for the senders of messages that were just given up.
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
        """Whether anything must be written but acks, which can wait for company."""
        return bool(self.changed or self.inserted or self.questions or self.changes.others)

    def ask_disk(
        self,
        session: Session,
        token: Token,
        op: Op[Any],
        finish: Callable[[Any], Value],
        *,
        ordered: bool = True,
    ) -> None:
        """Let a write, or a look at the disk, join the commit, and answer what comes of it."""
        others = self.changes.others
        others.append(partial(guarded, op=op))
        self.answers.append((session, token, FromDisk(len(others) - 1, finish), ordered))

    def collect(self) -> Changes:
        """Return the write that brings the rows on disk up to date, as they are now."""
        changes = self.changes
        for message in self.changed.values():
            if message.state is _LEASED and message.in_turn_at is None:
                changes.leased += leasing(message)
            else:
                changes.moved += moving(message)
        changes.questions = [row_of(question) for question in self.questions.values()]
        changes.bodies = [
            message.id
            for grant in self.grants
            for message in grant.messages
            if message.body is None
        ]
        return changes


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
