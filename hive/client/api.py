"""What a participant can do in a hive, whichever way it is connected.

Implemented by `hive.client.aio.SocketClient` and by the client of an embedded hive. Errors are
those of `hive.errors`. Times that were are RFC 3339 strings, durations are seconds.
"""

# ruff: noqa: A002 - parameters are called what the wire calls them

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from attrs import fields_dict, frozen

T = TypeVar("T")


class NackMode(StrEnum):
    """How a message is given back."""

    DEFER = "defer"
    """Not now: burns no attempt."""
    FAIL = "fail"
    """It was tried and failed: burns an attempt."""
    REJECT = "reject"
    """Never deliver it again: it goes to the dead letters."""


class Role(StrEnum):
    """What speaks on a connection; only harnesses count as presence."""

    HARNESS = "harness"
    TOOL = "tool"


@frozen
class Delivery:
    """A message that is leased to this client.

    Attributes:
        attempt: 1 for the first delivery; deferring does not count.
        redelivered: Whether some client may have had it before.
        lease: Fences acks: after the lease was lost, an ack that names it is refused.
        kind: What its sender is ("agent", "peer", "operator", "system", …).
        label: What rang, for a message that a script put in by `wake`.
        thread: The first message of the conversation; None if it is that itself.
        priority: "low" or "high"; None for the usual one.
    """

    id: int
    sender: str
    body: str
    sent_at: str
    attempt: int
    redelivered: bool
    lease: str
    kind: str
    in_reply_to: int | None = None
    label: str | None = None
    thread: int | None = None
    priority: str | None = None


@frozen
class Sent:
    """A message that is on disk.

    Attributes:
        id: Its number; for a broadcast the first one, None if there was nobody to get it.
        recipients: Whose inboxes hold it, as far as the daemon says.
        skipped: Who did not get a broadcast, because their inbox is full or they are gone.
        duplicate: Whether it was stored before, under the same key.
        parked: Why it waits for the operator instead of being delivered.
    """

    id: int | None = None
    recipients: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    duplicate: bool = False
    parked: str | None = None


@frozen
class StoredMessage:
    """A message as `recent` shows it, without a lease."""

    id: int
    sender: str
    to: str
    body: str
    sent_at: str
    state: str
    attempt: int
    kind: str
    in_reply_to: int | None = None
    label: str | None = None
    reason: str | None = None


@frozen
class Identity:
    """Who the daemon takes this client for."""

    name: str
    kind: str
    host: str | None = None


@frozen
class Presence:
    """A participant as the others see it."""

    name: str
    kind: str
    connected: bool
    last_seen: str | None = None
    status_text: str | None = None


class AgentClient(Protocol):
    """One participant's connection to its hive."""

    async def hello(self, role: Role, driver: str | None = None) -> None:
        """Say what speaks here; a client that reconnects says it again."""
        ...

    async def send(self, to: str, body: str, *, in_reply_to: int | None = None) -> Sent:
        """Store a message for a participant; returns once it is on disk."""
        ...

    async def recv(
        self, *, max: int = 1, wait: float = 0.0, ack: Sequence[int] = ()
    ) -> tuple[Delivery, ...]:
        """Lease up to `max` messages, waiting up to `wait` seconds for the first.

        `ack` acknowledges messages in the same request. Cancelling gives back what still arrives.
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

    async def recent(self, max: int = 20) -> tuple[StoredMessage, ...]:
        """Return the newest messages of the own inbox without leasing them."""
        ...

    async def whoami(self) -> Identity:
        """Return who the daemon takes this client for."""
        ...

    async def who(self) -> tuple[Presence, ...]:
        """Return all participants with their presence."""
        ...

    async def set_status(self, text: str) -> None:
        """Set the line that the operator's view shows; empty clears it."""
        ...

    async def wake(self, label: str, body: str, *, transient: bool = False) -> None:
        """Put a message into the own inbox under a free label."""
        ...


def from_row(model: type[T], row: Mapping[str, Any]) -> T:
    """Make a typed value of a response's row; fields that are not known here are ignored."""
    known = fields_dict(model)  # type: ignore[arg-type]
    named = {"sender" if name == "from" else name: value for name, value in row.items()}
    return model(**{name: value for name, value in named.items() if name in known})


def from_rows(model: type[T], rows: Iterable[Mapping[str, Any]]) -> tuple[T, ...]:
    """Make typed values of a response's rows."""
    return tuple(from_row(model, row) for row in rows)
