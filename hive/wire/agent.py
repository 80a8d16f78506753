"""The requests of a participant's socket: messages, questions, reminders, presence.

None has a field for its sender: the socket of a request determines the participant. The manager's
socket has the lifecycle of agents besides; only the operator may create, remove or configure them,
and the manager itself is not a valid `name` there.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire import WAIT_MAX
from hive.wire.base import (
    Body,
    Id,
    Key,
    Lease,
    Lifetime,
    Lines,
    Name,
    Request,
    Seconds,
    Text,
    UnixTime,
)
from hive.wire.enums import CancelKind, NackMode, OnExpiry, Priority, Role
from hive.wire.harness import Activity, Limited, Live, PollOrders, TurnRecord, Unlimited
from hive.wire.operator_asks import AskOperator, OtherAsk

RECV_MAX = 32
"""Most messages that one `recv` returns."""

ACK_MAX = 1000
"""Most ids of messages in one `ack`, `recv` or `heartbeat`."""

NACK_DELAY_MAX = 86_400.0
"""Most seconds for which a nack defers a message: no worker hides a queue's work for longer."""

STATUS_MAX = 200
"""Most characters of a status line."""

OPTIONS_MAX = 20
"""Most options of one question."""

Option = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""One proposed answer, in characters."""


class Posting(Request, kw_only=True, frozen=True):
    """The fields of a message that its sender sets.

    Attributes:
        to: A name, `manager`, `operator`, `*`, `@group` or `queue:name`.
        body: Text; the limit of its size in UTF-8 bytes is `body_bytes` of the hive's `[limits]`.
        in_reply_to: Id of the message that this one answers: one that its sender sent or got.
        priority: Messages of a higher priority are delivered first.
        ttl_seconds: Seconds from now, a delay included, after which an undelivered message expires.
        delay_seconds: Seconds from now before which it is not delivered; overrides `not_before`.
        not_before: Unix time before which it is not delivered; a past one is refused.
        dedupe_key: A repeat of the sender's key within the dedupe window stores nothing; it is
            answered with the first id and `duplicate`.
        supersede_key: Replaces the sender's undelivered messages to the same recipient with the
            same key.
    """

    to: Name
    body: Body
    in_reply_to: Id | None = None
    priority: Priority = Priority.NORMAL
    ttl_seconds: Lifetime | None = None
    delay_seconds: Seconds | None = None
    not_before: UnixTime | None = None
    dedupe_key: Key | None = None
    supersede_key: Key | None = None


class Send(Posting, tag="send", kw_only=True, frozen=True):
    """Store a message for `to`; the response comes once the message is on disk."""


class Recv(Request, tag="recv", kw_only=True, frozen=True):
    """Lease messages of the own inbox or of a work queue.

    Attributes:
        wait_seconds: Longest wait for the first message, in seconds; 0 answers at once.
        max: Most messages to lease; 0 leases none.
        ack: Ids to ack first; saves a request and a commit.
        queue: Name of the work queue to receive from, in place of the own inbox.
        urgent: Lease only messages of high priority.
        max_bytes: Most bytes of all bodies in UTF-8; the first message always comes.
    """

    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=WAIT_MAX)] = 0.0
    max: Annotated[int, msgspec.Meta(ge=0, le=RECV_MAX)] = 1
    ack: Annotated[list[Id], msgspec.Meta(max_length=ACK_MAX)] = msgspec.field(default_factory=list)
    queue: Name | None = None
    urgent: bool = False
    max_bytes: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Ack(Request, tag="ack", kw_only=True, frozen=True):
    """Ack messages: the work for them is done.

    Attributes:
        ids: Ids of leased messages.
        lease: Fence: acks messages under this lease, also of another session; an outdated lease is
            refused with `stale_lease`. None acks messages that this session has leased.
    """

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=ACK_MAX)]
    lease: Lease | None = None


class Nack(Request, tag="nack", kw_only=True, frozen=True):
    """Return a leased message without acking it.

    Attributes:
        id: Id of the message.
        mode: `defer` does not count the attempt, `fail` counts it, `reject` makes the message a
            dead letter.
        delay_seconds: Seconds before it is delivered again, a day at most. None is 0 for `defer`;
            for `fail` it is a back-off that doubles with each failure.
        reason: Reason for the receipt.
        lease: Fence, as in `ack`.
    """

    id: Id
    mode: NackMode = NackMode.FAIL
    delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=NACK_DELAY_MAX)] | None = None
    reason: Text | None = None
    lease: Lease | None = None


class Heartbeat(Request, tag="heartbeat", kw_only=True, frozen=True):
    """Renew all leases of the session; the response has their duration, `lease_seconds`.

    Attributes:
        ids: Messages that the session works on now; one whose lease it lost is `stale_lease`.
    """

    ids: Annotated[list[Id], msgspec.Meta(max_length=ACK_MAX)] = msgspec.field(default_factory=list)


class Receipts(Request, tag="receipts", kw_only=True, frozen=True):
    """Return the receipts of messages that this participant sent, as `receipts`.

    An id that is given twice counts once. Refused with the numbers when the answer is too large.
    """

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=100)]


class Verify(Request, tag="verify", kw_only=True, frozen=True):
    """Return the origin of a message, as `Verified`, from the socket that it arrived on.

    Allowed for messages to or from this participant and those it leased from a work queue.
    """

    id: Id


class AckTurn(Request, tag="ack_turn", frozen=True):
    """Ack every message that this session has received and still leases."""


class RequeueInflight(Request, tag="requeue_inflight", frozen=True):
    """Return the leased messages of all sessions of this participant to their inboxes.

    The response has their number, `requeued`.
    """


class Status(Request, tag="status", frozen=True):
    """Return the number of unacked messages of the own inbox, as `unread`."""


class Recent(Request, tag="recent", kw_only=True, frozen=True):
    """Return the newest `max` messages of the own inbox, newest last, without leasing them.

    Attributes:
        unread: Only messages that a receiver would get now. If there are more than `max`, those of
            the operator are returned first, then those of the highest priority.
        body_max: Characters of a body that are returned; the row of a longer one has its
            `body_length`.
    """

    max: Annotated[int, msgspec.Meta(ge=1, le=200)] = 20
    unread: bool = False
    body_max: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Whoami(Request, tag="whoami", frozen=True):
    """Return the participant of this socket, as `Identity`."""


class Who(Request, tag="who", frozen=True):
    """Return all participants with their presence, as `participants`."""


class SetStatus(Request, tag="set_status", kw_only=True, frozen=True):
    """Set the participant's status line; an empty text clears it."""

    text: Annotated[str, msgspec.Meta(max_length=STATUS_MAX)]


class Wake(Request, tag="wake", kw_only=True, frozen=True, rename={"label": "from"}):
    """Put a message into the own inbox, for scripts of the participant.

    Attributes:
        label: Free label of the message, `from` on the wire; the sender is the participant itself.
        body: Text, may be empty.
        transient: Drop the message unless a receiver is waiting.
    """

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    body: Body
    transient: bool = False


class Hello(Request, tag="hello", kw_only=True, frozen=True, forbid_unknown_fields=False):
    """Announce the client of this connection.

    What a client of a later version says besides is ignored, so that it is not refused for that.

    Attributes:
        role: Only connections with the role `harness` count as presence.
        driver: Name of the harness's driver.
        version: Version of hyperhive that the client is of.
    """

    role: Role
    driver: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    version: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class Ask(Request, tag="ask", kw_only=True, frozen=True):
    """Send a question and return its `id` at once; the answer arrives as a message.

    Attributes:
        question: Text of the question.
        options: Proposed answers; free text is always allowed.
        multi: Whether several options may be chosen.
        to: Name of a participant; None is the operator.
        ttl_seconds: Seconds until `on_expiry` applies; None keeps it open until it is answered or
            cancelled.
        on_expiry: Action when the time is over.
    """

    question: Annotated[Body, msgspec.Meta(min_length=1)]
    options: Annotated[list[Option], msgspec.Meta(max_length=OPTIONS_MAX)] = msgspec.field(
        default_factory=list
    )
    multi: bool = False
    to: Name | None = None
    ttl_seconds: Lifetime | None = None
    on_expiry: OnExpiry = OnExpiry.DENY


class Answer(Request, tag="answer", kw_only=True, frozen=True):
    """Answer a question; only its addressee and the operator may."""

    id: Id
    answer: Body


class Remind(Request, tag="remind", kw_only=True, frozen=True):
    """Store a message to oneself for later and return its `id`.

    Give exactly one of `delay_seconds`, seconds from now, and `at_unix_timestamp`, a Unix time that
    is not past.
    """

    message: Annotated[Body, msgspec.Meta(min_length=1)]
    delay_seconds: Seconds | None = None
    at_unix_timestamp: UnixTime | None = None

    def __post_init__(self) -> None:
        """Refuse a reminder without a time or with two."""
        if (self.delay_seconds is None) == (self.at_unix_timestamp is None):
            raise ValueError("give one of 'delay_seconds' and 'at_unix_timestamp'")


class ListOpenItems(Request, tag="loose_ends", frozen=True):
    """Return the open items.

    They are `questions_asked`, `questions_to_answer` and pending `reminders`, and for the manager
    the `approvals` that it asked for and that wait, and its `schedules`.
    """


class Cancel(Request, tag="cancel", kw_only=True, frozen=True):
    """Withdraw what is one's own.

    It is a question, a reminder, a message that was not delivered yet, an approval that one asked
    for and that is not decided yet, or a schedule that one asked for.
    """

    kind: CancelKind
    id: Id


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
    | ListOpenItems
    | Cancel
    | Activity
    | TurnRecord
    | Live
    | Limited
    | Unlimited
    | PollOrders
)
"""All requests of a participant's socket."""


class KillAgent(Request, tag="kill", kw_only=True, frozen=True):
    """Stop an agent gracefully."""

    name: Name


class StartAgent(Request, tag="start", kw_only=True, frozen=True):
    """Start a stopped or failed agent."""

    name: Name


class RestartAgent(Request, tag="restart", kw_only=True, frozen=True):
    """Stop an agent gracefully and start it again."""

    name: Name


class UpdateAgent(Request, tag="update", kw_only=True, frozen=True):
    """Apply an agent's configuration: update its machine, stop it, start it."""

    name: Name


class GetLogs(Request, tag="get_logs", kw_only=True, frozen=True):
    """Return the last `lines` of an agent's output, as `lines`."""

    name: Name
    lines: Lines = 100


class RequestChange(AskOperator, kw_only=True, frozen=True):
    """Base class: a commit of a proposed repository is submitted to the operator.

    It is imported and checked at once, and pinned; the response has the number of the `approval`,
    and a `system` message says how it ended.

    Attributes:
        commit_ref: The id of the commit, 7 to 40 hexadecimal digits; never a branch.
    """

    commit_ref: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class RequestSpawnAgent(RequestChange, tag="request_spawn", kw_only=True, frozen=True):
    """Propose a new agent.

    Attributes:
        name: Its name.
    """

    name: Name


class RequestApplyCommit(RequestChange, tag="request_apply_commit", kw_only=True, frozen=True):
    """Propose a new configuration of an agent.

    Attributes:
        agent: Its name.
    """

    agent: Name


ManagerRequest = (
    AgentRequest
    | KillAgent
    | StartAgent
    | RestartAgent
    | UpdateAgent
    | GetLogs
    | RequestSpawnAgent
    | RequestApplyCommit
    | OtherAsk
)
"""All requests of the manager's socket."""
