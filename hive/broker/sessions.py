"""Connections of participants: what each waits for, is handed, lost, and the fence around it.

A session answers its own requests: a connection to a socket by writing a line, an embedder's by
completing a future. To the rules it is a record.
"""

from __future__ import annotations

import asyncio

import msgspec

from hive.broker.inboxes import Inbox
from hive.broker.values import Token, Value
from hive.clock import rfc3339
from hive.errors import StaleLeaseError
from hive.names import QUEUE_PREFIX
from hive.store import NO_ORIGIN, Kind, Message, MessageState, Origin
from hive.store.records import lease_name, session_name

LEASE_EXPIRED = "its lease expired"
SESSION_ENDED = "the session that held it ended"
DAEMON_ENDED = "the daemon that had delivered it ended"
REQUEUED = "its participant put all its mail back"

LOST_KEPT = 1000
"""Lost messages that a session can be told of; those that were lost first are forgotten."""

COUNTED = frozenset({Kind.AGENT, Kind.MANAGER, Kind.PEER})
"""Whose messages are counted: who may be too fast, or one side of a loop."""


class Parked(msgspec.Struct, eq=False):
    """A `recv` that may wait: a record, not a task.

    Attributes:
        session: Who receives.
        token: What the session knows the request by.
        inbox: Whose mail it is.
        max: Messages that it takes at most.
        urgent: Whether it takes only those of high priority.
        ordered: Whether later answers of the session wait for this one.
        max_bytes: Bytes of all bodies at most, unless the first alone has more; None for no limit.
        until: When it stops to wait, in seconds of the loop.
        group: Those who wait as long; None before it waits.
    """

    session: Session
    token: Token
    inbox: Inbox
    max: int
    urgent: bool
    ordered: bool
    max_bytes: int | None = None
    until: float = 0.0
    group: dict[Parked, None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether somebody still waits for what it gets."""
        return self.session.waits(self.token)


class Session:
    """One connection of a participant, of the operator, or of the daemon itself.

    Attributes:
        number: The broker's life and a counter; 0 until it is opened.
        name: Whose it is.
        kind: What that is.
        is_counted: Whether what it sends counts against a rate and as a side of a loop.
        origin: Who is at its other end.
        inbox: That participant's; set when it is opened.
        is_open: Whether it was opened and not closed.
        is_written: Whether its row is on disk, or in a commit that is under way.
        alive_at: When it last asked for anything, in seconds of the loop.
        held: The messages that are leased to it by id, in the order of their delivery.
        lost: Messages that it held and lost since its last `ack_turn`, and why; None for none.
        parked: Its requests that wait for mail; None for none.
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
        self.parked: list[Parked] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {session_name(self.name, self.number)}>"

    def answer(self, token: Token, value: Value, ordered: bool = True) -> bool:
        """Answer a request; return False if nobody waited for that any more.

        Args:
            token: The request.
            value: The answer.
            ordered: Whether it comes in the order of requests; not so if it is mail that was
                waited for, which must not hold up others.
        """
        raise NotImplementedError

    def waits(self, token: Token) -> bool:
        """Return whether a request still waits for its answer."""
        raise NotImplementedError

    def lose(self, number: int, why: str) -> None:
        """Note that a message which it held was taken from it."""
        if self.lost is None:
            self.lost = {}
        elif len(self.lost) >= LOST_KEPT:
            del self.lost[next(iter(self.lost))]
        self.lost[number] = why

    def row(self) -> tuple[object, ...]:
        """Return its row."""
        origin = self.origin
        socket = origin.socket or None
        return (self.number, self.name, self.kind.value, socket, origin.pid, origin.uid, origin.gid)


class FutureSession(Session):
    """A session whose requests are known by the futures that they are answered through.

    Cancelling one cancels nothing but the waiting; a cancelled `recv` gets no mail.
    """

    __slots__ = ()

    def answer(self, token: Token, value: Value, ordered: bool = True) -> bool:
        """Complete the future of a request; return False if nobody waits for it any more."""
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
        """Return whether the future of a request still waits."""
        return not token.done()


def why_not_held(
    message: Message, session: Session, lease: str | None, holder: Session | None
) -> str | None:
    """Return why a session cannot ack a message that is at hand, None if it can.

    Args:
        message: Which one.
        session: Who wants to.
        lease: What it shows as proof; without one, it must be the holder itself.
        holder: The session that the message was delivered to last, if it is still open.
    """
    if not _is_for(message, session, holder):
        return "is not in this inbox"
    if message.state is not MessageState.LEASED:
        return _why_not_leased(message)
    name = lease_name(message.lease)
    if name != lease and (lease is not None or message.session != session.number):
        return f"is now leased as {name}, attempt {message.attempts}"
    return None


def _is_for(message: Message, session: Session, holder: Session | None) -> bool:
    """Whether a message is in the inbox of a session, or came to its participant by a queue."""
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
    """Return to whom a message of a work queue was delivered last, None for any other."""
    return message.holder if message.inbox.startswith(QUEUE_PREFIX) else None


def stale_error(told: list[str]) -> StaleLeaseError:
    """Return the error that says of each of several messages why it could not be acked."""
    return StaleLeaseError("; ".join(told) + "; whatever else was asked for is done")


def fate(
    message: Message | None, session: Session, lease: str | None, *, is_ack: bool
) -> str | None:
    """Return why a message that is at its end on disk cannot be acked or given back.

    To repeat an ack is no error, since its answer may have been lost: None. To give back what was
    acked is one.
    """
    if message is None:
        return "does not exist"
    if session.name not in (message.inbox, queue_holder(message)):
        return "is not in this inbox"
    own = lease_name(message.lease) == lease if lease else message.session == session.number
    if message.state is MessageState.ACKED and own and is_ack:
        return None
    when = "" if message.ended_at is None else f" at {rfc3339(message.ended_at)}"
    why = f" ({message.reason})" if message.reason else ""
    return f"is {message.state}{when}{why}, after attempt {message.attempts}"
