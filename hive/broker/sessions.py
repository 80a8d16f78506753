"""Sessions: the connections of participants, their parked receivers, and the fence of leases.

A session answers its own requests: a connection to a socket writes a line, the session of an
embedder completes a future. For the rules it is a record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from attrs import frozen

from hive.broker.inboxes import Inbox
from hive.broker.values import Moment, Token, Value
from hive.clock import rfc3339
from hive.errors import ConflictError, StaleLeaseError
from hive.names import QUEUE_PREFIX
from hive.store import NO_ORIGIN, Kind, Message, MessageState, Origin
from hive.store.records import lease_name, session_name

LEASE_EXPIRED = "its lease expired"
SESSION_ENDED = "the session that held it ended"
DAEMON_ENDED = "the daemon that had delivered it ended"
REQUEUED = "its participant put all its mail back"

PARKED_MAX = 64
"""Most parked receivers of one session."""

LOST_MAX = 1000
"""Most lost messages that a session records; the oldest are removed first."""

STALE_NAMED = 10
"""Most messages that the error about messages that are not held names; the others are counted."""

COUNTED = frozenset({Kind.AGENT, Kind.MANAGER, Kind.PEER})
"""Senders that have a rate limit and can be a side of a loop."""


class Parked(msgspec.Struct, eq=False):
    """The receiver of a `recv`, which may wait: a record, not a task.

    Attributes:
        session: The session that receives.
        token: The request, as the session knows it.
        inbox: The inbox of the messages.
        max: Most messages that it takes.
        urgent: Whether it takes only messages of high priority.
        ordered: Whether it is answered in the order of requests, because it does not wait.
        max_bytes: Most bytes of all bodies, unless the first alone has more; None for no limit.
        number: Its place in the order in which all receivers were parked.
        waiting: The receivers of its inbox that it waits with; None unless it is parked.
        until: Time at which its wait ends, in seconds of the loop.
        group: The receivers with the same wait; None before it is parked.
    """

    session: Session
    token: Token
    inbox: Inbox
    max: int
    urgent: bool
    ordered: bool
    max_bytes: int | None = None
    number: int = 0
    waiting: dict[Parked, None] | None = None
    until: float = 0.0
    group: dict[Parked, None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether its session still waits for the answer."""
        return self.session.waits(self.token)

    def unpark(self) -> bool:
        """Remove it from all that refers to it as parked; return whether it was parked."""
        waiting, parked, group = self.waiting, self.session.parked, self.group
        if waiting is None or parked is None or group is None:
            return False
        del waiting[self], parked[self]
        group.pop(self, None)
        self.waiting = None
        return True


class Session:
    """One connection of a participant, of the operator, or of the daemon itself.

    Attributes:
        number: Epoch of the broker and a counter; 0 until it is opened.
        name: The name of its participant.
        kind: The kind of its participant.
        is_counted: Whether its messages count against the rate limit and for loops.
        origin: Socket and process at its other end.
        inbox: The inbox of its participant; set when it is opened.
        is_open: Whether it was opened and not closed.
        is_written: Whether its row is on disk, or in the effects or a commit.
        alive_at: Time of its last request, in seconds of the loop.
        held: The messages that are leased to it by id, in the order of their leases.
        lost: Messages that it held and lost since its last `ack_turn`, and why; None for none.
        parked: Its parked receivers, at most `PARKED_MAX`; None for none.
        queued: The requests since one that is decided after a lookup on disk, with their tokens;
            they are decided after it, in order. None while there is no such request.
    """

    __slots__ = (
        "alive_at",
        "held",
        "inbox",
        "is_counted",
        "is_open",
        "is_written",
        "kind",
        "lost",
        "name",
        "number",
        "origin",
        "parked",
        "queued",
    )

    def __init__(self, name: str, kind: Kind, origin: Origin = NO_ORIGIN) -> None:
        self.number = 0
        self.name = name
        self.kind = kind
        self.is_counted = kind in COUNTED
        self.origin = origin
        self.inbox: Inbox | None = None
        self.is_open = False
        self.is_written = False
        self.alive_at = 0.0
        self.held: dict[int, Message] = {}
        self.lost: dict[int, str] | None = None
        self.parked: dict[Parked, None] | None = None
        self.queued: list[tuple[object, Token]] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {session_name(self.name, self.number)}>"

    def answer(self, token: Token, value: Value, ordered: bool = True) -> bool:
        """Answer a request; return False if the client does not wait for it any more.

        Args:
            token: The request.
            value: The answer.
            ordered: Whether it is given in the order of requests; not so for a parked receiver,
                whose answer must not delay others.
        """
        raise NotImplementedError

    def waits(self, token: Token) -> bool:
        """Return whether the client still waits for the answer to a request."""
        raise NotImplementedError

    @property
    def answers_before_ack(self) -> bool:
        """Whether the answer to a message, if there is one, is stored before its ack."""
        return False

    def charge_stale(self, count: int) -> None:
        """Charge for messages of a request that it does not hold: it pays for nothing else of them.

        Args:
            count: How many; their reasons are found one by one, some of them on disk.
        """

    def extend(self, since: float, now: float) -> None:
        """Extend all leases by the time for which its participant was frozen.

        Args:
            since: When it was frozen, in seconds of the loop.
            now: The present moment of the loop.
        """
        self.alive_at = min(now, self.alive_at + now - since)
        for message in self.held.values():
            message.leased_loop = min(now, message.leased_loop + now - since)

    def record_lost(self, number: int, why: str) -> None:
        """Record that it has lost a message that it held."""
        if self.lost is None:
            self.lost = {}
        elif len(self.lost) >= LOST_MAX:
            del self.lost[next(iter(self.lost))]
        self.lost[number] = why

    def row(self) -> tuple[object, ...]:
        """Return the values of its row on disk."""
        origin = self.origin
        socket = origin.socket or None
        return (self.number, self.name, self.kind.value, socket, origin.pid, origin.uid, origin.gid)


Decide: TypeAlias = Callable[[Session, Any, Token, Moment], None]
"""Decides about a request: takes the session, the request, the token of its answer, the moment."""


class FutureSession(Session):
    """A session whose tokens are futures.

    To cancel a future does not cancel the request; a cancelled `recv` gets no messages.
    """

    __slots__ = ()

    def answer(self, token: Token, value: Value, ordered: bool = True) -> bool:
        """Complete the future of a request; return False if it is done already."""
        del ordered
        future: asyncio.Future[Value] = token
        if future.done():
            return False
        if isinstance(value, Exception):
            future.set_exception(value)
        else:
            future.set_result(value)
        return True

    def waits(self, token: Token) -> bool:
        """Return whether the future of a request is not done."""
        return not token.done()


@frozen
class Stale:
    """A message that a session does not hold, so that it can neither ack nor nack it.

    Attributes:
        id: The id of the message.
        why: The reason; None if the message is not in memory, and must be looked up on disk.
    """

    id: int
    why: str | None


def too_many_parked(session: Session) -> ConflictError:
    """Return the refusal of a `recv` of a session that has `PARKED_MAX` parked ones."""
    return ConflictError(
        f"this connection of {session.name!r} has {PARKED_MAX} 'recv' that wait and "
        f"{PARKED_MAX} are allowed; nothing was done: wait for the answer of one of them"
    )


def why_not_held(
    message: Message, session: Session, lease: str | None, holder: Session | None
) -> str | None:
    """Return why a session does not hold a message, None if it does.

    Args:
        message: A message that has not ended.
        session: The session that wants to ack or nack it.
        lease: The lease that it names; without one, the message must be leased to the session.
        holder: The session of the message's last lease, if it is open.
    """
    if not _belongs_to(message, session, holder):
        return "is not in this inbox"
    if message.state is not MessageState.LEASED:
        return _why_not_leased(message)
    name = lease_name(message.lease)
    if name != lease and (lease is not None or message.session != session.number):
        return f"is now leased as {name}, attempt {message.attempts}"
    return None


def _belongs_to(message: Message, session: Session, holder: Session | None) -> bool:
    """Return whether a message is in the session's inbox, or its participant's from a queue."""
    if not message.inbox.startswith(QUEUE_PREFIX):
        return message.inbox == session.name
    return holder is not None and holder.name == session.name


def _why_not_leased(message: Message) -> str:
    if message.state is MessageState.PARKED:
        return "is parked until the operator releases it"
    if not message.deliveries:
        return "was not delivered yet"
    return f"went back to the inbox ({message.reason}) after attempt {message.attempts}"


def queue_holder(message: Message) -> str | None:
    """Return the last holder of a message of a work queue; None for any other message."""
    return message.holder if message.inbox.startswith(QUEUE_PREFIX) else None


def stale_error(whys: Sequence[tuple[int, str]]) -> StaleLeaseError:
    """Return the error with the reason for each message that was not acked, of the first few."""
    sentences = [f"message {number} {why}" for number, why in whys[:STALE_NAMED]]
    if len(whys) > STALE_NAMED:
        sentences.append(f"likewise {len(whys) - STALE_NAMED} more, {len(whys)} in all")
    return StaleLeaseError("; ".join(sentences) + "; whatever else was asked for is done")


def why_ended(
    message: Message | None, session: Session, lease: str | None, *, is_ack: bool
) -> str | None:
    """Return why a message that is not in memory cannot be acked or nacked.

    Repeating an ack is not an error, because its answer may have been lost: the result is None. To
    nack an acked message is one. The reason does not say whether others have a message of that id.

    Args:
        message: The message on disk; None if there is none of that id.
        session: The session that wants to ack or nack it.
        lease: The lease that it names, if any.
        is_ack: Whether it wants to ack.
    """
    if message is None or session.name not in (message.inbox, queue_holder(message)):
        return "is not in this inbox"
    own = lease_name(message.lease) == lease if lease else message.session == session.number
    if message.state is MessageState.ACKED and own and is_ack:
        return None
    when = "" if message.ended_at is None else f" at {rfc3339(message.ended_at)}"
    why = f" ({message.reason})" if message.reason else ""
    return f"is {message.state}{when}{why}, after attempt {message.attempts}"
