"""Who holds what: connections of participants, what they are handed, what they lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from attrs import define, field, frozen

from hive.broker.values import Receiver
from hive.names import QUEUE_PREFIX
from hive.store import Message, MessageState, Origin

R = TypeVar("R", bound=Receiver)

LEASE_EXPIRED = "its lease expired"
SESSION_ENDED = "the session that held it ended"
DAEMON_ENDED = "the daemon that had delivered it ended"
REQUEUED = "its participant put all its mail back"


@define(eq=False)
class Session:
    """One connection of a participant.

    Attributes:
        alive_at: When it last asked for anything, in seconds of the loop.
        held: Ids of the messages that are leased to it, in the order of their delivery.
        lost: Messages that it held and lost since its last `ack_turn`, and why.
    """

    id: str
    participant: str
    origin: Origin
    alive_at: float = 0.0
    held: dict[int, Message] = field(factory=dict)
    lost: dict[int, str] = field(factory=dict)


@frozen
class Grant(Generic[R]):
    """Mail for a receiver, to be handed over once its leases are on disk; may be empty."""

    receiver: R
    lease: str
    messages: Sequence[Message]

    def current(self) -> list[Message]:
        """Return the messages that are still leased under this grant."""
        return [
            message
            for message in self.messages
            if message.lease == self.lease and message.state is MessageState.LEASED
        ]


@frozen
class Stale:
    """A message that could not be acked or given back.

    Attributes:
        id: Which one.
        why: What happened to it; None when it is not in memory and the disk must be asked.
    """

    id: int
    why: str | None


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
    if message.lease != lease and (lease is not None or message.session != session.id):
        return f"is now leased as {message.lease}, attempt {message.attempts}"
    return None


def _is_for(message: Message, session: Session, holder: Session | None) -> bool:
    """Whether a message is in the inbox of a session, or came to its participant by a queue."""
    if not message.inbox.startswith(QUEUE_PREFIX):
        return message.inbox == session.participant
    return holder is not None and holder.participant == session.participant


def queue_holder(message: Message) -> str | None:
    """Return to whom a message of a work queue was delivered last, None for any other."""
    if not message.inbox.startswith(QUEUE_PREFIX) or message.session is None:
        return None
    return message.session.rpartition("/")[0]


def _why_not_leased(message: Message) -> str:
    if message.state is MessageState.PARKED:
        return "is parked until the operator releases it"
    if not message.deliveries:
        return "was not delivered yet"
    return f"went back to the inbox ({message.reason}) after attempt {message.attempts}"
