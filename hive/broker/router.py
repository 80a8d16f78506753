"""The broker as everyone else sees it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from actors import Request
from hive.broker import requests
from hive.broker.board import Board
from hive.broker.inbox import InboxCounts
from hive.broker.values import Delivery, Draft, NackMode, Sent
from hive.errors import UnknownNameError
from hive.names import MANAGER, MANAGER_ALIAS, suggest
from hive.store import Kind, Message, Origin, Store
from hive.store.messages import newest

R = TypeVar("R")


class Port(Protocol):
    """The way to a broker; `actors.Ref` is one."""

    def ask(self, request: Request[R], timeout: float | None) -> asyncio.Future[R]:
        """Send a request and return the future of its answer."""
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
    """

    def __init__(self, port: Port, board: Board, store: Store) -> None:
        self._port = port
        self._board = board
        self._store = store
        self._sessions = itertools.count(1)

    def open_session(self, participant: str, origin: Origin) -> str:
        """Note a connection of a participant; return the session's id."""
        session = f"{participant}/{next(self._sessions)}"
        self._port.tell(requests.OpenSession(session, participant, origin))
        return session

    def close_session(self, session: str) -> None:
        """Forget a connection: what it holds is deliverable again at once."""
        self._port.tell(requests.CloseSession(session))

    def heartbeat(self, session: str) -> None:
        """Extend the leases of a session whose participant works on them."""
        self._port.tell(requests.Heartbeat(session))

    def send(self, draft: Draft) -> asyncio.Future[Sent]:
        """Store a message.

        Raises:
            UnknownNameError: From the future, as all others: nobody of that name.
            InboxFullError: The inbox is at its limit.
            TooLargeError: The body is over the limit.
            NotFoundError: It replies to a message that never was.
            UnavailableError: The store failed; the message may or may not be stored.
        """
        return self._port.ask(requests.Send(draft), None)

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
    ) -> asyncio.Future[tuple[Delivery, ...]]:
        """Lease up to `max` messages, waiting up to `wait` seconds for the first.

        `ack` is done first. The result is empty when nothing came in time.

        Raises:
            StaleLeaseError: From the future: one of `ack` was not held; nothing was leased.
        """
        return self._port.ask(requests.Recv(session, max, wait, tuple(ack)), None)

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

        Raises:
            StaleLeaseError: From the future: the message was not held.
        """
        return self._port.ask(requests.Nack(session, id, mode, delay, reason, lease), None)

    def requeue_inflight(self, session: str) -> asyncio.Future[int]:
        """Give back all that any session of the same participant holds; the value is how many."""
        return self._port.ask(requests.RequeueInflight(session), None)

    def mark_read(self, name: str, ids: Sequence[int]) -> asyncio.Future[int]:
        """End messages that were read without a lease; the value is how many."""
        return self._port.ask(requests.MarkRead(name, tuple(ids)), None)

    def add_inbox(self, name: str, kind: Kind, *, broadcast: bool = False) -> None:
        """Let a participant take part; mail that waits under its name is its own again."""
        self._port.tell(requests.AddInbox(name, kind, broadcast))

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
        key = MANAGER if name == MANAGER_ALIAS else name
        found = await self._store.read(newest(key, max, unread=unread_only))
        if not found and key not in self._board.names():
            raise UnknownNameError(f"there is no inbox {name!r}{suggest(key, self._board.names())}")
        return found
