"""What a participant can do in a hive, whichever way it is connected.

Implemented by `hive.client.aio.SocketClient` and by the client of an embedded hive. Errors are
those of `hive.errors`. Times that were are RFC 3339 strings, durations are seconds. What is handed
out are the rows of the wire.
"""

# ruff: noqa: A002 - parameters are called what the wire calls them

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hive.client.values import LooseEnds, Sent
from hive.wire.enums import CancelKind, LiveKind, NackMode, OnExpiry, Priority, Role
from hive.wire.harness import Activity, Order, TurnRecord
from hive.wire.rows import Delivery, Identity, InboxRow, Verified, WhoRow

__all__ = [
    "Activity",
    "AgentClient",
    "Delivery",
    "Identity",
    "InboxRow",
    "LooseEnds",
    "ManagerClient",
    "Order",
    "Role",
    "Sent",
    "TurnRecord",
    "Verified",
    "WhoRow",
]


class AgentClient(Protocol):
    """One participant's connection to its hive."""

    async def hello(self, role: Role, driver: str | None = None) -> None:
        """Say what speaks here; a client that reconnects says it again."""
        ...

    async def send(
        self,
        to: str,
        body: str,
        *,
        in_reply_to: int | None = None,
        priority: Priority | None = None,
        ttl: float | None = None,
        delay: float | None = None,
        dedupe_key: str | None = None,
    ) -> Sent:
        """Store a message for a participant; returns once it is on disk."""
        ...

    async def recv(
        self,
        *,
        max: int = 1,
        wait: float = 0.0,
        ack: Sequence[int] = (),
        urgent: bool = False,
        max_bytes: int | None = None,
    ) -> tuple[Delivery, ...]:
        """Lease up to `max` messages, waiting up to `wait` seconds for the first.

        With `urgent`, only messages of high priority. With `max_bytes`, all bodies together have
        at most so many bytes, unless the first alone has more. `ack` acknowledges messages in the
        same request. Cancelling gives back what still arrives.
        """
        ...

    async def ack(self, ids: Sequence[int], *, lease: str | None = None) -> None:
        """Say that the work for these messages is done."""
        ...

    async def nack(
        self,
        id: int,
        *,
        mode: NackMode = NackMode.FAIL,
        delay: float | None = None,
        reason: str | None = None,
        lease: str | None = None,
    ) -> None:
        """Give a leased message back, to be delivered again after `delay` seconds."""
        ...

    async def heartbeat(self, ids: Sequence[int] = ()) -> float:
        """Say that this client is alive and works on these messages; return a lease's seconds."""
        ...

    async def ack_turn(self) -> None:
        """Ack everything that this connection has leased."""
        ...

    async def requeue_inflight(self) -> None:
        """Give back everything that any connection of this participant has leased."""
        ...

    async def status(self) -> int:
        """Return how many messages wait."""
        ...

    async def recent(self, max: int = 20) -> tuple[InboxRow, ...]:
        """Return the newest messages of the own inbox without leasing them."""
        ...

    async def whoami(self) -> Identity:
        """Return who the daemon takes this client for."""
        ...

    async def who(self) -> tuple[WhoRow, ...]:
        """Return all participants with their presence."""
        ...

    async def set_status(self, text: str) -> None:
        """Set the line that the operator's view shows; empty clears it."""
        ...

    async def wake(self, label: str, body: str, *, transient: bool = False) -> None:
        """Put a message into the own inbox under a free label."""
        ...

    async def verify(self, id: int) -> Verified:
        """Return who sent a message of the own inbox, or one that this participant sent."""
        ...

    async def ask(
        self,
        question: str,
        *,
        options: Sequence[str] = (),
        multi: bool = False,
        to: str | None = None,
        ttl: float | None = None,
        on_expiry: OnExpiry = OnExpiry.DENY,
    ) -> int:
        """Put a question to somebody, by default the operator, and return its id at once.

        The answer comes as a message of type "answer", in reply to the question. `ttl` is in
        seconds; without one the question stays open until it is answered or cancelled.
        """
        ...

    async def answer(self, id: int, text: str) -> None:
        """Answer a question that was put to this participant; its asker gets a message.

        Raises:
            NotAllowedError: It was put to somebody else.
            ConflictError: It was answered before, is over, or was cancelled; says by whom and when.
        """
        ...

    async def remind(
        self, message: str, *, delay: float | None = None, at: float | None = None
    ) -> int:
        """Leave a message for oneself, in `delay` seconds or at a Unix time; return its id.

        Raises:
            InboxFullError: Too many reminders are still to come.
        """
        ...

    async def loose_ends(self) -> LooseEnds:
        """Return the questions that are open, in both directions, and the reminders to come."""
        ...

    async def cancel(self, kind: CancelKind, id: int) -> None:
        """Take back one's own reminder, question or message.

        Raises:
            ConflictError: It is over, or somebody has the message; says what happened to it.
        """
        ...

    async def report(self, activity: Activity) -> None:
        """Say what the agent does now; said again by itself on every later connection."""
        ...

    async def turn(self, record: TurnRecord) -> None:
        """Record a finished turn."""
        ...

    async def live(self, kind: LiveKind, text: str) -> None:
        """Show whoever watches what happens; too long a text is cut, nothing is kept."""
        ...

    async def limited(self, account: str, until: float, reason: str) -> None:
        """Say that the reported account is used up until a Unix time."""
        ...

    async def unlimited(self, account: str) -> None:
        """Say that the reported account can be used again."""
        ...

    async def orders(self, *, wait: float, after: int) -> tuple[Order, ...]:
        """Return the orders behind `after`, waiting up to `wait` seconds for the first.

        The first call on a connection returns at once and says what holds.
        """
        ...


class ManagerClient(AgentClient, Protocol):
    """The manager's connection: it may also look after the other agents.

    On any other participant's socket these verbs do not exist.
    """

    async def kill(self, name: str) -> None:
        """Stop an agent gracefully; returns when it has ended."""
        ...

    async def start(self, name: str) -> None:
        """Start a stopped or failed agent; returns when it runs."""
        ...

    async def restart(self, name: str) -> None:
        """Stop an agent gracefully and start it again."""
        ...

    async def update(self, name: str) -> None:
        """Apply an agent's configuration anew."""
        ...

    async def get_logs(self, name: str, lines: int = 100) -> tuple[str, ...]:
        """Return the last lines that an agent printed."""
        ...
