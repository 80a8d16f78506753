"""The values that the store keeps: participants, messages, events."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from attrs import frozen


class Kind(StrEnum):
    """What a participant or a sender is."""

    MANAGER = "manager"
    AGENT = "agent"
    PEER = "peer"
    OPERATOR = "operator"
    SYSTEM = "system"
    QUEUE = "queue"


class Desired(StrEnum):
    """What the operator last asked for; it outlives every restart of the daemon."""

    RUNNING = "running"
    STOPPED = "stopped"


class ParticipantOrigin(StrEnum):
    """Where a participant is defined."""

    CONFIG = "config"
    COMMAND = "command"


@frozen
class Origin:
    """Where a request came from, as the kernel tells it (`SO_PEERCRED` of unix(7)).

    Attributes:
        socket: Path of the socket; empty for what the daemon does itself.
        pid: Process at the other end, at the time it connected.
        uid: Its user.
        gid: Its group.
    """

    socket: str = ""
    pid: int | None = None
    uid: int | None = None
    gid: int | None = None


NO_ORIGIN = Origin()
"""What the daemon itself sends has no socket."""


@frozen
class ParticipantRecord:
    """One participant as it must survive a restart of the daemon. Times are wall seconds.

    Attributes:
        name: The inbox key.
        kind: Manager, agent or peer.
        desired: What the operator wants of it; without meaning for a peer.
        paused: Whether its mail is held back.
        manifest: Its configuration as JSON.
        origin: Whether the configuration or a command defines it.
        broadcast: Whether a peer opted in to broadcasts.
        description: One line for the operator.
        created_at: When it was registered first.
        last_seen: When it last spoke.
        last_reason: Why it ended the last time, in words.
        status_text: The line it set for the operator.
        status_set_at: When it set that line.
        restarts: How often it was restarted by the supervisor.
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


@frozen
class EventRecord:
    """Something that happened; `seq` is the order."""

    seq: int
    at: float
    event: str
    name: str | None
    detail: Mapping[str, Any]


class MessageState(StrEnum):
    """Where a message is in its life. The last three are ends."""

    STORED = "stored"
    LEASED = "leased"
    PARKED = "parked"
    ACKED = "acked"
    EXPIRED = "expired"
    DEAD = "dead"


_COUNTER = 32
"""Bits of the counter in a number of a session or lease; the broker's epoch is above them."""


def numbered(epoch: int, count: int) -> int:
    """Return the number of the `count`th session, or lease, of a life of the broker."""
    return epoch << _COUNTER | count


def lease_name(lease: int) -> str:
    """Return how a lease is written on the wire: the broker's epoch and a counter."""
    return f"{lease >> _COUNTER}-{lease & 0xFFFFFFFF}"


def session_name(holder: str | None, session: int) -> str | None:
    """Return how a session is written in traces; None for the session of nobody."""
    return f"{holder}/{lease_name(session)}" if holder is not None else None


class Step(StrEnum):
    """A step of a message's life, as a receipt tells it."""

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


@frozen
class Receipt:
    """One step of one message's life.

    Attributes:
        message: Its id.
        at: When, in wall seconds.
        attempt: The number of the delivery that the step belongs to; 0 before the first.
        session: Number of the session that held it then; 0 for none.
        reason: Why, in words.
        holder: Name of that session's participant; only in what is read from disk.
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
        """How the session is written in traces; None if nobody held it."""
        return session_name(self.holder, self.session)


class MessageKind(StrEnum):
    """Why a message was sent, so that a receiver can tell mail from events."""

    MESSAGE = "message"
    BROADCAST = "broadcast"
    EVENT = "event"
    WAKE = "wake"
    QUESTION = "question"
    ANSWER = "answer"
    REMINDER = "reminder"


class Message(msgspec.Struct, eq=False):
    """One message. Times are wall seconds.

    While it is not at its end, the broker that owns the store holds it in memory and changes its
    delivery state; everyone else only reads. It is a struct because one is made for every message.
    The fields are the columns of the view `messages`, in this order.

    Attributes:
        id: Number that only ever grows; the order of delivery within an inbox.
        inbox: Whose mail it is.
        sender: Who sent it, as the daemon knows it.
        sender_kind: What the sender is.
        kind: Why it was sent.
        size: Bytes of the body in UTF-8.
        sent_at: When it was accepted.
        state: Where it is in its life.
        in_reply_to: The message that it answers.
        label: A free word of the sender, shown with it.
        thread: The first message of the conversation; None if it is that itself.
        priority: Its rank among the messages of its inbox: -1, 0 or 1; lower goes first.
        not_before: It is not delivered before this time.
        expires_at: If it was not delivered by this time, it is given up.
        dedupe_key: The sender's own name for it; a repeat within the window is the same message.
        supersede_key: A newer message of its sender with this key replaces it while it is unread.
        hops: How many replies of agents led to it since a person last had a hand in it.
        attempts: Deliveries that count; the number of the next one is one more.
        deliveries: Every delivery, also those that were given back without burning an attempt.
        lease: Number of the last lease that it was delivered under; 0 before the first.
        session: Number of the session that held that lease; 0 before the first.
        leased_at: When that lease began.
        in_turn_at: When its receiver said that it works on it, under that lease.
        ended_at: When it was acked, expired or given up.
        reason: Why it is in its state, in words.
        holder: Name of the participant of that session; only in what is read from disk.
        body: What it says; None where it was not read from disk.
        origin: Where the request to send it came from; only in what is read from disk.
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
