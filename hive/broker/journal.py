"""What one commit carries, and who hears of it afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

from attrs import define, field

from hive.broker.bodies import Bodies
from hive.broker.mail import Mail
from hive.broker.sessions import Grant
from hive.broker.values import Delivery, Reply
from hive.errors import HiveError
from hive.store import Message, MessageState
from hive.store.messages import Changes, acking, insertion, leasing, move

_LEASED = MessageState.LEASED


@define(eq=False)
class Journal:
    """Everything that gathers while the commit before it is on its way to the disk.

    Attributes:
        written: Done once the commit is over; its value is the bodies that were read.
        answers: Replies that may be given then, each with its value or error.
        grants: Mail that may be handed over then.
        inserted: Messages that are new on disk with it.
    """

    written: asyncio.Future[dict[int, str]] | None = None
    answers: list[tuple[Reply, object]] = field(factory=list)
    grants: list[Grant[Reply]] = field(factory=list)
    inserted: list[Message] = field(factory=list)

    @property
    def is_over(self) -> bool:
        """Whether its commit has succeeded or failed."""
        return self.written is not None and self.written.done()

    def collect(self, mail: Mail[Any], last_written: int) -> Changes:
        """Return the write that brings the rows on disk up to date with the mail.

        Rows are taken as they are now, so changes of one message that came together are one.
        """
        changed, acked, steps = mail.take_changes()
        leased, moved = [], []
        for message in changed:
            if message.id > last_written:
                self.inserted.append(message)
            elif message.state is _LEASED and message.in_turn_at is None:
                leased.append(leasing(message))
            else:
                moved.append(move(message))
        inserted = [insertion(message) for message in self.inserted]
        ended = [acking(message) for message in acked]
        return Changes(inserted, leased, moved, ended, steps, self._bodiless())

    def succeed(self, bodies: dict[int, str], newest: Bodies) -> list[Grant[Reply]]:
        """Hand over all mail and give all answers; return the grants that nobody took.

        Mail goes first: who has it acks it and waits again before the next message is sent, which
        then finds a receiver, and needs one commit where it would need one for itself and a second
        for its lease.
        """
        left = [grant for grant in self.grants if not _hand_over(grant, bodies)]
        for reply, value in self.answers:
            answer(reply, value)
        # Last, because it lets older bodies go: what the next commit lacks then, it reads.
        for message in self.inserted:
            newest.keep(message)
        return left

    def fail(self, error: BaseException) -> None:
        """Tell everyone who waits that it is not known to have happened."""
        for reply, _ in self.answers:
            reply.fail(error)
        for grant in self.grants:
            grant.receiver.fail(error)
        self.answers.clear()
        self.grants.clear()
        self.inserted.clear()

    def _bodiless(self) -> list[int]:
        return [
            message.id
            for grant in self.grants
            for message in grant.messages
            if message.body is None
        ]


def answer(reply: Reply, value: object) -> None:
    """Give an answer, which may be an error."""
    if isinstance(value, HiveError):
        reply.fail(value)
    else:
        reply.send(value)


def _hand_over(grant: Grant[Reply], bodies: dict[int, str]) -> bool:
    if grant.receiver.expired:
        return not grant.messages
    grant.receiver.send(
        tuple(
            Delivery.of(message, message.body if message.body is not None else bodies[message.id])
            for message in grant.current()
        )
    )
    return True
