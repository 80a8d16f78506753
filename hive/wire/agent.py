"""The verbs of an agent's (or peer's) socket.

There is no `from` in any of them: who speaks is the socket a request arrives on.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire import WAIT_MAX
from hive.wire.base import Id, Key, Lifetime, Name, Request, Seconds, Text, UnixTime
from hive.wire.enums import NackMode, Priority, Role
from hive.wire.harness import Activity, Limited, Live, PollOrders, TurnRecord, Unlimited
from hive.wire.questions import Answer, Ask, Cancel, ListLooseEnds, Remind

RECV_MAX = 32
"""Most messages that one `recv` returns."""

ACK_MAX = 1000
"""Most messages that one request acks, or says that it works on."""

STATUS_MAX = 200
"""Characters of a status line."""


class Posting(Request, kw_only=True, frozen=True):
    """What a sender may say of a message.

    `to` is a name, `manager`, `operator`, `*`, `@group` or `queue:name`. `ttl_seconds` counts from
    now, also with a delay. `not_before` is Unix time. A repeat of a `dedupe_key` answers the first
    id and `duplicate`. A `supersede_key` replaces what the same sender sent under it, if unread.
    """

    to: Name
    body: str
    in_reply_to: Id | None = None
    priority: Priority = Priority.NORMAL
    ttl_seconds: Lifetime | None = None
    delay_seconds: Seconds | None = None
    not_before: UnixTime | None = None
    dedupe_key: Key | None = None
    supersede_key: Key | None = None


class Send(Posting, tag="send", kw_only=True, frozen=True):
    """Store a message for `to`; answered `ok` only once it is on disk."""


class Recv(Request, tag="recv", kw_only=True, frozen=True):
    """Lease up to `max` messages, waiting up to `wait_seconds` for the first (0: look now).

    `ack` acknowledges messages in the same request, which saves a round trip and a commit. With
    `queue`, the messages are those of a work queue. With `urgent`, only those of high priority.
    With `max_bytes`, the first message always comes, and further ones as long as all bodies
    together have at most so many bytes in UTF-8.
    """

    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=WAIT_MAX)] = 0.0
    max: Annotated[int, msgspec.Meta(ge=0, le=RECV_MAX)] = 1
    ack: Annotated[list[Id], msgspec.Meta(max_length=ACK_MAX)] = msgspec.field(default_factory=list)
    queue: Name | None = None
    urgent: bool = False
    max_bytes: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Ack(Request, tag="ack", kw_only=True, frozen=True):
    """The work for these messages is done. `lease` fences: an outdated one is refused."""

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=ACK_MAX)]
    lease: str | None = None


class Nack(Request, tag="nack", kw_only=True, frozen=True):
    """Give a leased message back.

    `defer` burns no attempt, `fail` burns one, `reject` makes it a dead letter at once. Without a
    delay, a message that failed rests for a while that doubles with each failure.
    """

    id: Id
    mode: NackMode = NackMode.FAIL
    delay_seconds: Seconds | None = None
    reason: Text | None = None
    lease: str | None = None


class Heartbeat(Request, tag="heartbeat", kw_only=True, frozen=True):
    """The session is alive: its leases last their whole time from now on.

    `ids` are messages that it works on at this moment; one that it lost is `stale_lease`. The
    answer's `lease_seconds` says how long a lease lasts.
    """

    ids: Annotated[list[Id], msgspec.Meta(max_length=ACK_MAX)] = msgspec.field(default_factory=list)


class Receipts(Request, tag="receipts", kw_only=True, frozen=True):
    """Ask what became of messages that this participant sent."""

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=100)]


class Verify(Request, tag="verify", kw_only=True, frozen=True):
    """Ask who sent a message, by the socket that it came in through.

    Only for messages in the own inbox, or sent by this participant.
    """

    id: Id


class AckTurn(Request, tag="ack_turn", frozen=True):
    """Ack everything that this session has leased."""


class RequeueInflight(Request, tag="requeue_inflight", frozen=True):
    """Give back everything that any session of this participant has leased."""


class Status(Request, tag="status", frozen=True):
    """Ask how many messages wait."""


class Recent(Request, tag="recent", kw_only=True, frozen=True):
    """Show the newest messages of the own inbox without leasing them."""

    max: Annotated[int, msgspec.Meta(ge=1, le=200)] = 20


class Whoami(Request, tag="whoami", frozen=True):
    """Ask who the daemon takes this socket for."""


class Who(Request, tag="who", frozen=True):
    """List the participants with their presence."""


class SetStatus(Request, tag="set_status", kw_only=True, frozen=True):
    """Set the one line that the operator's status view shows; empty clears it."""

    text: Annotated[str, msgspec.Meta(max_length=STATUS_MAX)]


class Wake(Request, tag="wake", kw_only=True, frozen=True, rename={"label": "from"}):
    """Put a message into the own inbox under a free label, for scripts beside the agent.

    The message's sender stays the participant itself; the label is shown with it. `transient`
    messages only ring: they are lost when nobody receives at that moment.
    """

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    body: str
    transient: bool = False


class Hello(Request, tag="hello", kw_only=True, frozen=True):
    """Announce what speaks on this connection: a harness, a one-shot tool, a bare peer.

    Presence counts only connections that said hello as `harness`.
    """

    role: Role
    driver: Annotated[str, msgspec.Meta(max_length=64)] | None = None


AgentRequest = (
    Send
    | Recv
    | Ack
    | Nack
    | AckTurn
    | Heartbeat
    | Receipts
    | Verify
    | RequeueInflight
    | Status
    | Recent
    | Whoami
    | Who
    | SetStatus
    | Wake
    | Hello
    | Ask
    | Answer
    | Remind
    | ListLooseEnds
    | Cancel
    | Activity
    | TurnRecord
    | Live
    | Limited
    | Unlimited
    | PollOrders
)
"""Everything an agent's socket understands."""
