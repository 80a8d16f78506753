"""What becomes of messages of the operator whose sender waits for the answer.

A wait ends with the answer, or with the end of the message: no answer comes to a dead letter. What
was committed decides, so nothing is missed, however much other mail comes meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable

from attrs import frozen

from hive.broker.queries import MailQueries
from hive.errors import NotFoundError
from hive.names import MANAGER, QUEUE_PREFIX
from hive.participants.participant import Agent
from hive.participants.registry import Registry
from hive.status.hindrances import hindrance_of
from hive.status.snapshot import Snapshot
from hive.store import Message, MessageState, Store
from hive.store.answer_lookup import FindAnswers, FoundAnswers

ANSWERED = "answered"
"""State of a message with an answer; without one, it is that of the message, or `REMOVED`."""

REMOVED = "removed"
"""State of a message whose recipient is no participant any more."""


ANSWERING_DRIVERS = frozenset({"command", "function"})
"""Drivers whose answer is the output of the turn on a message, stored before the ack.

Others, such as Claude Code or a program of one's own, may ack a message and answer it later, for
instance once they have asked somebody else.
"""


@frozen
class MessageEnd:
    """The end of the wait for the answer to a message.

    Attributes:
        id: The id of the message.
        to: Its recipient.
        state: `ANSWERED`, `REMOVED`, "acked", "expired" or "dead".
        answer: The answer.
        reason: Why there is none, as a sentence; None with an answer.
    """

    id: int
    to: str
    state: str
    answer: Message | None = None
    reason: str | None = None


@frozen
class Hindrance:
    """Why a message is not worked on at present, although an answer may still come.

    Attributes:
        id: The id of the message.
        to: Its recipient.
        what: The reason, with a remedy.
    """

    id: int
    to: str
    what: str


@frozen
class AnswerProgress:
    """What is new about some messages: those that have ended, and new hindrances of the others."""

    ended: tuple[MessageEnd, ...] = ()
    hindrances: tuple[Hindrance, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ended or self.hindrances)


class AnswerWatch:
    """Follows messages of the operator until each has an answer or ends without one.

    Args:
        store: Has the messages.
        mail: Knows the open sessions.
        registry: The participants.
        snapshot: Describes a recipient that cannot work.
    """

    def __init__(
        self, store: Store, mail: MailQueries, registry: Registry, snapshot: Snapshot
    ) -> None:
        self._store = store
        self._mail = mail
        self._registry = registry
        self._snapshot = snapshot

    async def look(self, ids: Collection[int]) -> AnswerProgress:
        """Return what became of messages until now.

        Raises:
            NotFoundError: There is no such message.
        """
        return await self._judge(await self._store.read(FindAnswers(ids, min(ids) - 1)), ids)

    async def follow(self, ids: Collection[int]) -> AsyncGenerator[AnswerProgress]:
        """Yield what is new about messages until each has ended.

        Raises:
            NotFoundError: There is no such message.
        """
        left, reported, cursor = dict.fromkeys(ids), set[Hindrance](), min(ids) - 1
        changed = asyncio.Event()
        unsubscribes = (
            self._store.on_commit(changed.set),
            self._registry.subscribe(lambda _: changed.set()),
        )
        try:
            while True:
                changed.clear()
                found = await self._store.read(FindAnswers(left, cursor))
                cursor, progress = found.cursor, await self._judge(found, left)
                new = tuple(each for each in progress.hindrances if each not in reported)
                reported.update(new)
                for end in progress.ended:
                    del left[end.id]
                if progress.ended or new:
                    yield AnswerProgress(progress.ended, new)
                if not left:
                    return
                await changed.wait()
        finally:
            for unsubscribe in unsubscribes:
                unsubscribe()

    async def _judge(self, found: FoundAnswers, ids: Iterable[int]) -> AnswerProgress:
        ended: list[MessageEnd] = []
        hindrances: list[Hindrance] = []
        for number in ids:
            message = found.messages.get(number)
            if message is None:
                raise NotFoundError(f"there is no message {number}")
            end = self._end_of(message, found.answers.get(number))
            if end is not None:
                ended.append(end)
            elif (what := await self._hindrance(message)) is not None:
                hindrances.append(Hindrance(number, message.inbox, what))
        return AnswerProgress(tuple(ended), tuple(hindrances))

    def _end_of(self, message: Message, answer: Message | None) -> MessageEnd | None:
        """Return the end of the wait for the answer to a message; None while one may come."""
        to = message.inbox
        if answer is not None:
            return MessageEnd(message.id, to, ANSWERED, answer)
        if message.state is MessageState.ACKED:
            if not self._answers_before_ack(message):
                return None
            why = f"{to!r} has acked it without an answer"
        elif message.state is MessageState.DEAD:
            why = f"{message.reason}; 'hive-c0re replay {message.id}' sends it again"
        elif message.state is MessageState.EXPIRED:
            why = f"it has expired: {message.reason}" if message.reason else "it has expired"
        elif to in self._registry or to.startswith(QUEUE_PREFIX):
            return None
        else:
            why = f"{to!r} was removed; the message waits for a participant of that name"
            return MessageEnd(message.id, to, REMOVED, reason=why)
        return MessageEnd(message.id, to, message.state.value, reason=why)

    def _answers_before_ack(self, message: Message) -> bool:
        """Return whether the ack of a message says that no answer comes.

        The manager passes requests on, and answers them once others have answered.
        """
        if message.inbox == MANAGER:
            return False
        holder = self._mail.session(message.session)
        if holder is not None:
            return holder.answers_before_ack
        to = message.inbox
        agent = self._registry.get(to) if to in self._registry else None
        if not isinstance(agent, Agent) or agent.settings.exec is not None:
            return False
        return agent.settings.driver in ANSWERING_DRIVERS

    async def _hindrance(self, message: Message) -> str | None:
        to = message.inbox
        if message.state is MessageState.ACKED:
            return f"{to!r} has acked message {message.id} without an answer; one may still come"
        if message.state is MessageState.PARKED:
            return message.reason
        if to not in self._registry:
            return None
        return hindrance_of(await self._snapshot.row(self._registry.get(to)))
