"""What may be asked of the broker, and what it is told.

A `Request` is answered once its outcome is on disk. A `Note` is not answered. Nobody changes one;
the two that come with every message are not frozen, because that takes three times as long to make.
"""

from __future__ import annotations

from attrs import define, frozen

from actors import Request
from hive.broker.values import Delivery, Draft, Sent
from hive.store import NO_ORIGIN, Kind, Origin
from hive.store.dead_letters import DeadLetters
from hive.wire.words import LooseEnd, NackMode, OnExpiry


@define
class Send(Request[Sent]):
    """Store a message; a session that sends is alive."""

    draft: Draft
    session: str | None = None


@define
class Recv(Request[tuple[Delivery, ...]]):
    """Lease up to `max` messages, waiting up to `wait` seconds for the first.

    `ack` is done first; if one of those is stale nothing is leased. With `queue`, of that work
    queue in place of the participant's own inbox. With `urgent`, only those of high priority.
    """

    session: str
    max: int = 1
    wait: float = 0.0
    ack: tuple[int, ...] = ()
    queue: str | None = None
    urgent: bool = False


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
class Begin(Request[None]):
    """The session is alive and works on these messages."""

    session: str
    ids: tuple[int, ...] = ()


@frozen
class Replay(Request[tuple[int, ...]]):
    """Make dead letters deliverable again, with all their attempts; answers which."""

    chosen: DeadLetters


@frozen
class Discard(Request[tuple[int, ...]]):
    """Give dead letters up for good; answers which."""

    chosen: DeadLetters


@frozen
class ResetLoop(Request[int]):
    """Let a pair talk again and deliver what was parked; answers how many."""

    one: str
    other: str


@frozen
class ChangeGroup(Request[None]):
    """Put participants into a group, or take them out."""

    name: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@frozen
class RemoveQueue(Request[int]):
    """Remove a work queue; answers how many of its messages became dead letters."""

    name: str
    force: bool = False


@frozen
class RemoveInbox(Request[None]):
    """Take a participant out of the routing."""

    name: str
    force: bool = False
    purge: bool = False


@frozen
class Ask(Request[int]):
    """Put a question to somebody; answers its id. `ttl` is in seconds."""

    asker: str
    asker_kind: Kind
    to: str
    question: str
    options: tuple[str, ...] = ()
    multi: bool = False
    ttl: float | None = None
    on_expiry: OnExpiry = OnExpiry.DENY
    origin: Origin = NO_ORIGIN


@frozen
class AnswerQuestion(Request[None]):
    """Answer a question; its asker gets a message."""

    id: int
    by: str
    kind: Kind
    text: str
    origin: Origin = NO_ORIGIN


@frozen
class Remind(Request[int]):
    """Leave a message for oneself, after seconds or at a wall time; answers its id."""

    name: str
    message: str
    delay: float | None = None
    at: float | None = None
    origin: Origin = NO_ORIGIN


@frozen
class Cancel(Request[None]):
    """Take back one's own reminder, question or message."""

    name: str
    what: LooseEnd
    id: int


@frozen
class AddInbox:
    """Let a participant take part."""

    name: str
    kind: Kind
    broadcast: bool = False
    last_seen: float | None = None
    idle: bool = False


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
