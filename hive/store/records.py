"""Records: the values of the store (participants, events, messages, receipts)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from attrs import frozen


class Kind(StrEnum):
    """Kind of a participant or a sender."""

    MANAGER = "manager"
    AGENT = "agent"
    PEER = "peer"
    OPERATOR = "operator"
    SYSTEM = "system"
    QUEUE = "queue"


class Desired(StrEnum):
    """Desired state of an agent, as the operator last asked; durable."""

    RUNNING = "running"
    STOPPED = "stopped"


class ParticipantOrigin(StrEnum):
    """Where the settings of a participant come from; exactly one place."""

    CONFIG = "config"
    """Its table in hive.toml."""
    COMMAND = "command"
    """The command that created it."""
    REPOSITORY = "repository"
    """The `agent.toml` of its applied repository."""


@frozen
class Origin:
    """Origin of a request: its socket and the peer credentials (`SO_PEERCRED` of unix(7)).

    Attributes:
        socket: Path of the socket; empty for the daemon itself.
        pid: Process at the other end when it connected.
        uid: User of that process.
        gid: Group of that process.
        via: For whom that process asks, in its own words: a session of the dashboard. Only the
            audit keeps it.
    """

    socket: str = ""
    pid: int | None = None
    uid: int | None = None
    gid: int | None = None
    via: str | None = None


NO_ORIGIN = Origin()
"""Origin of messages from the daemon itself."""


@frozen
class ParticipantRecord:
    """Durable state of one participant. Times are wall seconds.

    Attributes:
        name: The inbox key.
        kind: Manager, agent or peer.
        desired: Desired state; without meaning for a peer.
        paused: Whether delivery of its mail is paused.
        manifest: Its configuration as JSON.
        origin: Whether the configuration or a command defines it.
        broadcast: Whether it receives broadcasts.
        description: One line for the operator.
        created_at: When it was registered first.
        last_seen: When its last request came.
        last_reason: Reason of its last exit, in words.
        status_text: The status line that it set for the operator.
        status_set_at: When it set that line.
        restarts: Automatic restarts of an agent since it was created.
        started: The manifest that its container was last started with; None before the first start.
        applied: The commit that its manifest comes from; None unless its origin is a repository.
        failed: Why it was parked; None unless it is parked. It is, also under the next daemon,
            until the operator or the manager starts or stops it.
        frozen_at: When the operator froze the agent by `estop`; None unless it is frozen.
        model_choice: The model and the effort that the operator has chosen, as a JSON array; None
            if nothing ever was chosen.
    """

    name: str
    kind: Kind
    desired: Desired = Desired.RUNNING
    paused: bool = False
    manifest: str = "{}"
    origin: ParticipantOrigin = ParticipantOrigin.CONFIG
    broadcast: bool = False
    description: str | None = None
    created_at: float = 0.0
    last_seen: float | None = None
    last_reason: str | None = None
    status_text: str | None = None
    status_set_at: float | None = None
    restarts: int = 0
    started: str | None = None
    applied: str | None = None
    failed: str | None = None
    frozen_at: float | None = None
    model_choice: str | None = None


@frozen
class EventRecord:
    """An event; `seq` is its place in the order, `at` its wall time in seconds."""

    seq: int
    at: float
    event: str
    name: str | None
    detail: Mapping[str, Any]


class MessageState(StrEnum):
    """State of a message. The last three are final."""

    STORED = "stored"
    LEASED = "leased"
    PARKED = "parked"
    ACKED = "acked"
    EXPIRED = "expired"
    DEAD = "dead"


LIST_BYTES = 8 << 20
"""Most bytes of the bodies, or of the texts of questions, in one list for a client."""

_COUNTER = 32
"""Low bits of the number of a session or lease, a counter; the high bits are the epoch."""


def numbered(epoch: int, count: int) -> int:
    """Return the number of the `count`th session, or lease, of an epoch of the broker."""
    return epoch << _COUNTER | count


def lease_name(lease: int) -> str:
    """Return the name of a lease on the wire: the epoch and the counter."""
    return f"{lease >> _COUNTER}-{lease & 0xFFFFFFFF}"


def session_name(holder: str | None, session: int) -> str | None:
    """Return the name of a session in traces; None without a holder."""
    return f"{holder}/{lease_name(session)}" if holder is not None else None


class Step(StrEnum):
    """A step of a message's life, the kind of a receipt."""

    STORED = "stored"
    LEASED = "leased"
    IN_TURN = "in_turn"
    NACKED = "nacked"
    RETURNED = "returned"
    PARKED = "parked"
    RELEASED = "released"
    REPLAYED = "replayed"
    ACKED = "acked"
    EXPIRED = "expired"
    DEAD = "dead"
    OMITTED = "omitted"


@frozen
class Receipt:
    """One step of one message's life.

    Attributes:
        message: Id of the message.
        at: Wall time in seconds.
        step: The step.
        attempt: Number of the delivery that the step belongs to; 0 before the first.
        session: Number of the session that had leased the message; 0 for none.
        reason: The reason, in words.
        holder: Participant of that session; only set in receipts read from disk.
    """

    message: int
    at: float
    step: Step
    attempt: int = 0
    session: int = 0
    reason: str | None = None
    holder: str | None = None

    @property
    def session_name(self) -> str | None:
        """Name of the session in traces; None without one."""
        return session_name(self.holder, self.session)


class MessageKind(StrEnum):
    """Kind of a message, so that a receiver can distinguish mail from events."""

    MESSAGE = "message"
    BROADCAST = "broadcast"
    EVENT = "event"
    WAKE = "wake"
    QUESTION = "question"
    ANSWER = "answer"
    REMINDER = "reminder"


class Message(msgspec.Struct, eq=False):
    """One message. Times are wall seconds.

    Until it ends, the broker has it in memory and is the only one to change its delivery state. It
    is a struct because one is created for every message. The fields are the columns of the view
    `messages`, in this order.

    Attributes:
        id: Number that only grows; the order of delivery within an inbox.
        inbox: Name of its inbox.
        sender: Name of the sender, as the daemon knows it.
        sender_kind: Kind of the sender.
        kind: Kind of the message.
        size: Bytes of the body in UTF-8.
        sent_at: When it was accepted.
        state: State of its delivery.
        in_reply_to: Id of the message that it answers.
        label: A free word of the sender, shown with it.
        thread: Id of the first message of its thread; None for that message itself.
        priority: Rank within its inbox: -1, 0 or 1; lower is delivered first.
        not_before: It is not delivered before this time.
        expires_at: It expires at this time if it was not delivered.
        dedupe_key: A repeat of its sender with this key, within the window, is the same message.
        supersede_key: A newer message of its sender with this key replaces it while it is unread.
        hops: Replies of agents that led to it since the last message of a person.
        attempts: Deliveries that count; the number of the next one is one more.
        deliveries: All deliveries, also those that were returned without using up an attempt.
        lease: Number of its last lease; 0 before the first.
        session: Number of the session that had that lease; 0 before the first.
        leased_at: When that lease began.
        in_turn_at: When its receiver began a turn with it, under that lease.
        ended_at: When it was acked, expired or became a dead letter.
        reason: Reason of its state, in words.
        holder: Participant of that session; only set in messages read from disk.
        body: Its text; None where it was not read from disk.
        origin: Origin of the request that sent it; only set in messages read from disk.
        leased_loop: When the lease began in seconds of the loop; only in memory.
    """

    id: int
    inbox: str
    sender: str
    sender_kind: Kind
    kind: MessageKind
    size: int
    sent_at: float
    state: MessageState = MessageState.STORED
    in_reply_to: int | None = None
    label: str | None = None
    thread: int | None = None
    priority: int = 0
    not_before: float | None = None
    expires_at: float | None = None
    dedupe_key: str | None = None
    supersede_key: str | None = None
    hops: int = 0
    attempts: int = 0
    deliveries: int = 0
    lease: int = 0
    session: int = 0
    leased_at: float | None = None
    in_turn_at: float | None = None
    ended_at: float | None = None
    reason: str | None = None
    holder: str | None = None
    body: str | None = None
    origin: Origin = NO_ORIGIN
    leased_loop: float = 0.0
