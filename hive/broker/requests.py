"""What may be asked of the broker, and what it is told.

A `Request` is answered once its outcome is on disk. A `Note` is not answered.
"""

from __future__ import annotations

from attrs import frozen

from actors import Request
from hive.broker.values import Delivery, Draft, NackMode, Sent
from hive.store import Kind, Origin


@frozen
class Send(Request[Sent]):
    """Store a message."""

    draft: Draft


@frozen
class Recv(Request[tuple[Delivery, ...]]):
    """Lease up to `max` messages, waiting up to `wait` seconds for the first.

    `ack` is done first; if one of those is stale nothing is leased.
    """

    session: str
    max: int = 1
    wait: float = 0.0
    ack: tuple[int, ...] = ()


@frozen
class Ack(Request[None]):
    """The work for these messages is done."""

    session: str
    ids: tuple[int, ...]
    lease: str | None = None


@frozen
class AckTurn(Request[None]):
    """The work for everything that the session holds is done."""

    session: str


@frozen
class Nack(Request[None]):
    """Give one message back."""

    session: str
    id: int
    mode: NackMode = NackMode.FAIL
    delay: float | None = None
    reason: str | None = None
    lease: str | None = None


@frozen
class RequeueInflight(Request[int]):
    """Give back everything that any session of the participant holds; answers how many."""

    session: str


@frozen
class MarkRead(Request[int]):
    """End messages that were read without a lease; answers how many."""

    name: str
    ids: tuple[int, ...]


@frozen
class RemoveInbox(Request[None]):
    """Take a participant out of the routing."""

    name: str
    force: bool = False
    purge: bool = False


@frozen
class AddInbox:
    """Let a participant take part."""

    name: str
    kind: Kind
    broadcast: bool = False


@frozen
class PauseInbox:
    """Hold an inbox's mail back, or let it flow."""

    name: str
    paused: bool


@frozen
class OpenSession:
    """A participant has connected."""

    session: str
    participant: str
    origin: Origin


@frozen
class CloseSession:
    """A connection has ended."""

    session: str


@frozen
class Heartbeat:
    """A session is alive and works: its leases last their whole time from now on."""

    session: str


Note = AddInbox | PauseInbox | OpenSession | CloseSession | Heartbeat
"""What the broker is told without being asked for an answer."""
