"""The broker as everyone else sees it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from actors import ReplyTo, Request
from hive.broker import requests
from hive.broker.board import Board, QueueCounts
from hive.broker.circuits import Circuit
from hive.broker.inbox import InboxCounts
from hive.broker.values import Delivery, Draft, Sent
from hive.errors import BadRequestError, NotFoundError, UnknownNameError
from hive.names import inbox_key, suggest
from hive.store import (
    Kind,
    Message,
    Origin,
    Receipt,
    Store,
    dead_letters,
    questions,
    receipts,
    reminders,
)
from hive.store.dead_letters import DeadLetters
from hive.store.messages import newest, one
from hive.store.questions import Question
from hive.wire.words import LooseEnd, NackMode

R = TypeVar("R")


class Port(Protocol):
    """The way to a broker; `actors.Ref` is one."""

    def ask(self, request: Request[R], timeout: float | None) -> asyncio.Future[R]:
        """Send a request and return the future of its answer."""
        ...

    def send_request(self, request: Request[R], reply_to: ReplyTo[R]) -> None:
        """Send a request whose answer somebody takes."""
        ...

    def tell(self, message: requests.Note) -> None:
        """Send a note, which is not answered."""
        ...


class Router:
    """Sends, receives and acknowledges. One per hive: it numbers the sessions.

    What changes something returns a future that is done once the change is on disk. Its errors are
    `HiveError`s. No time limit is put on it: the broker answers when the commit is over, whether
    it succeeded or not. Cancelling a future cancels nothing but the waiting; a cancelled `recv`
    gets no mail.

    Args:
        port: The way to the broker.
        board: Where the broker shows its numbers.
        store: Where mail is read without leasing it.

    Attributes:
        send_request: Sends a request of `hive.broker.requests` and has its answer told to somebody.
            The methods make a future for each request; this is for who asks thousands a second.
    """

    def __init__(self, port: Port, board: Board, store: Store) -> None:
        self._port = port
        self.send_request = port.send_request
        self._board = board
        self._store = store
        self._sessions = itertools.count(1)

    def open_session(self, participant: str, origin: Origin) -> str:
        """Note a connection of a participant; return the session's id.

        It is different for each session, also over restarts of the daemon.
        """
        session = f"{participant}/{self._board.epoch}-{next(self._sessions)}"
        self._port.tell(requests.OpenSession(session, participant, origin))
        return session

    def close_session(self, session: str) -> None:
        """Forget a connection: what it holds is deliverable again at once."""
        self._port.tell(requests.CloseSession(session))

    def heartbeat(self, session: str) -> None:
        """Extend the leases of a session whose participant works on them."""
        self._port.tell(requests.Heartbeat(session))

    def send(self, draft: Draft, session: str | None = None) -> asyncio.Future[Sent]:
        """Store a message. `session` is the connection that asks, if one does.

        Raises:
            UnknownNameError: From the future, as all others: nobody of that name.
            InboxFullError: The inbox is at its limit.
            TooLargeError: The body is over the limit.
            RateLimitedError: The sender has sent too much within a minute.
            NotFoundError: It replies to a message that never was.
            UnavailableError: The store failed; the message may or may not be stored.
        """
        return self._port.ask(requests.Send(draft, session), None)

    def notify(self, to: str, event: str, detail: Mapping[str, Any]) -> asyncio.Future[Sent]:
        """Send an event of the daemon's own as JSON: the detail's fields and `event`."""
        return self.send(Draft.event(to, json.dumps({"event": event, **detail})))

    def recv(
        self,
        session: str,
        *,
        max: int = 1,  # noqa: A002 - the name on the wire
        wait: float = 0.0,
        ack: Sequence[int] = (),
        queue: str | None = None,
        urgent: bool = False,
    ) -> asyncio.Future[tuple[Delivery, ...]]:
        """Lease up to `max` messages, waiting up to `wait` seconds for the first.

        `ack` is done first. The result is empty when nothing came in time. With `queue`, the mail
        is that of a work queue. With `urgent`, only messages of high priority are leased.

        Raises:
            StaleLeaseError: From the future: one of `ack` was not held; nothing was leased.
        """
        return self._port.ask(requests.Recv(session, max, wait, tuple(ack), queue, urgent), None)

    def ack(
        self, session: str, ids: Sequence[int], lease: str | None = None
    ) -> asyncio.Future[None]:
        """End messages whose work is done. `lease` proves a delivery to another session.

        Raises:
            StaleLeaseError: From the future: names each message that was not held, and why; the
                others are acked.
        """
        return self._port.ask(requests.Ack(session, tuple(ids), lease), None)

    def ack_turn(self, session: str) -> asyncio.Future[None]:
        """End everything that the session holds.

        Raises:
            StaleLeaseError: From the future: names each message that the session lost meanwhile;
                the others are acked.
        """
        return self._port.ask(requests.AckTurn(session), None)

    def nack(
        self,
        session: str,
        id: int,  # noqa: A002 - the name on the wire
        mode: NackMode = NackMode.FAIL,
        *,
        delay: float | None = None,
        reason: str | None = None,
        lease: str | None = None,
    ) -> asyncio.Future[None]:
        """Give one message back, to be delivered again after `delay` seconds, or never.

        Without a delay, a message that failed rests for a while that doubles with each failure.

        Raises:
            StaleLeaseError: From the future: the message was not held.
        """
        return self._port.ask(requests.Nack(session, id, mode, delay, reason, lease), None)

    def begin(self, session: str, ids: Sequence[int] = ()) -> asyncio.Future[None]:
        """Say that a session is alive and works on these messages.

        Raises:
            StaleLeaseError: From the future: names each message that is not held any more.
        """
        return self._port.ask(requests.Begin(session, tuple(ids)), None)

    def ask(self, request: requests.Ask) -> asyncio.Future[int]:
        """Put a question to somebody; the value is its id.

        Raises:
            UnknownNameError: From the future, as all others: nobody of that name.
            InboxFullError: Too many questions of the asker are open.
        """
        return self._port.ask(request, None)

    def answer(self, request: requests.AnswerQuestion) -> asyncio.Future[None]:
        """Answer a question.

        Raises:
            NotFoundError: From the future, as all others: there is no such question.
            NotAllowedError: It was put to somebody else.
            ConflictError: It is at its end; says what became of it, by whom and when.
        """
        return self._port.ask(request, None)

    def remind(self, request: requests.Remind) -> asyncio.Future[int]:
        """Leave a message for oneself; the value is its id.

        Raises:
            InboxFullError: From the future: too many are still to come.
        """
        return self._port.ask(request, None)

    def cancel(self, name: str, what: LooseEnd, number: int) -> asyncio.Future[None]:
        """Take back what is one's own.

        Raises:
            NotFoundError: From the future, as all others: there is no such thing.
            NotAllowedError: It is somebody else's.
            ConflictError: It is at its end, or was delivered.
        """
        return self._port.ask(requests.Cancel(name, what, number), None)

    async def loose_ends(self, name: str) -> tuple[list[Question], list[Message]]:
        """Return the open questions of a participant, in both directions, and its reminders."""
        return await self._store.read(
            lambda c: (questions.of_participant(name)(c), reminders.pending(name)(c))
        )

    async def questions(self, count: int, *, ended: bool = False) -> list[Question]:
        """Return up to `count` open questions, oldest first; with `ended`, the newest of all."""
        if ended:
            return await self._store.read(questions.newest(count))
        return (await self._store.read(questions.open_questions))[:count]

    def replay(self, chosen: DeadLetters) -> asyncio.Future[tuple[int, ...]]:
        """Make dead letters deliverable again; the value is their ids.

        Raises:
            BadRequestError: At once, when nothing narrows the choice.
        """
        return self._port.ask(requests.Replay(_narrowed(chosen)), None)

    def discard(self, chosen: DeadLetters) -> asyncio.Future[tuple[int, ...]]:
        """Give dead letters up for good; the value is their ids.

        Raises:
            BadRequestError: At once, when nothing narrows the choice.
        """
        return self._port.ask(requests.Discard(_narrowed(chosen)), None)

    def reset_loop(self, one: str, other: str) -> asyncio.Future[int]:
        """Let a pair talk again and deliver what was parked; the value is how many.

        Raises:
            NotFoundError: From the future: the pair is not stopped.
        """
        return self._port.ask(requests.ResetLoop(inbox_key(one), inbox_key(other)), None)

    def change_group(
        self, name: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> asyncio.Future[None]:
        """Put participants into a group, or take them out.

        Raises:
            UnknownNameError: From the future: one that is to be added does not take part.
        """
        return self._port.ask(requests.ChangeGroup(name, tuple(add), tuple(remove)), None)

    def queues(self) -> tuple[QueueCounts, ...]:
        """Return how full each work queue is."""
        return self._board.queues()

    def remove_queue(self, name: str, *, force: bool = False) -> asyncio.Future[int]:
        """Remove a work queue; the value is how many messages became dead letters.

        Raises:
            UnknownNameError: From the future: there is no such queue.
            ConflictError: From the future: it holds messages, and no `force`.
        """
        return self._port.ask(requests.RemoveQueue(name, force), None)

    def requeue_inflight(self, session: str) -> asyncio.Future[int]:
        """Give back all that any session of the same participant holds; the value is how many."""
        return self._port.ask(requests.RequeueInflight(session), None)

    def mark_read(self, name: str, ids: Sequence[int]) -> asyncio.Future[int]:
        """End messages that were read without a lease; the value is how many."""
        return self._port.ask(requests.MarkRead(name, tuple(ids)), None)

    def add_inbox(
        self,
        name: str,
        kind: Kind,
        *,
        broadcast: bool = False,
        last_seen: float | None = None,
        idle: bool = False,
    ) -> None:
        """Let a participant take part; mail that waits under its name is its own again.

        Args:
            name: The inbox key.
            kind: What the participant is.
            broadcast: Whether a peer gets broadcasts.
            last_seen: Wall time of its last sign of life before this daemon.
            idle: Whether it is an agent that is meant to be stopped.
        """
        self._port.tell(requests.AddInbox(name, kind, broadcast, last_seen, idle))

    def remove_inbox(
        self, name: str, *, force: bool = False, purge: bool = False
    ) -> asyncio.Future[None]:
        """Take a participant out. Unread mail stays for its return, or is dead with `purge`.

        Raises:
            ConflictError: From the future: it has unread mail, and neither `force` nor `purge`.
            UnknownNameError: From the future: nobody of that name.
        """
        return self._port.ask(requests.RemoveInbox(name, force, purge), None)

    def pause_inbox(self, name: str, paused: bool) -> None:
        """Hold an inbox's mail back, or let it flow again."""
        self._port.tell(requests.PauseInbox(name, paused))

    def unread(self, name: str) -> int:
        """Return how many messages of an inbox are not acked."""
        return self._board.counts(name).unread

    def counts(self, name: str) -> InboxCounts:
        """Return how full an inbox is."""
        return self._board.counts(name)

    def written_since(self, name: str, since: float) -> int:
        """Return how many unread messages somebody sent to a participant after a wall time."""
        return self._board.written_since(name, since)

    def reminders(self, name: str) -> int:
        """Return how many reminders of a participant are still to come."""
        return self._board.reminders(name)

    def groups(self) -> Mapping[str, frozenset[str]]:
        """Return the members of every group."""
        return self._board.groups()

    def loops(self) -> tuple[Circuit, ...]:
        """Return the pairs whose messages are parked."""
        return self._board.loops()

    async def message(self, number: int) -> Message:
        """Return one message whole.

        Raises:
            NotFoundError: There is none of that number.
        """
        found = await self._store.read(one(number))
        if found is None:
            raise NotFoundError(f"there is no message {number}")
        return found

    async def trace(self, number: int) -> tuple[Message, list[Receipt]]:
        """Return one message whole, and every step of its life in order.

        Raises:
            NotFoundError: There is none of that number.
        """
        message, written = await self._store.read(
            lambda c: (one(number)(c), receipts.of(number)(c))
        )
        if message is None:
            raise NotFoundError(f"there is no message {number}")
        return message, receipts.ladder(message, written)

    async def dead_letters(
        self,
        chosen: DeadLetters,
        max: int = 50,  # noqa: A002 - the name on the wire
    ) -> Sequence[Message]:
        """Return the newest of these dead letters, oldest first."""
        return await self._store.read(dead_letters.newest(chosen, max))

    async def inbox(
        self,
        name: str,
        max: int = 50,  # noqa: A002 - the name on the wire
        *,
        unread_only: bool = False,
    ) -> tuple[Message, ...]:
        """Return the newest messages of an inbox, oldest first, without leasing any.

        Raises:
            UnknownNameError: There is no such inbox.
        """
        key = inbox_key(name)
        found = await self._store.read(newest(key, max, unread=unread_only))
        if not found and key not in self._board.names():
            raise UnknownNameError(f"there is no inbox {name!r}{suggest(key, self._board.names())}")
        return found


def _narrowed(chosen: DeadLetters) -> DeadLetters:
    if chosen.is_everything:
        raise BadRequestError("say which dead letters: by id, inbox, sender or age; never all")
    return chosen
