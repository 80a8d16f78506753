"""Who holds what: connections of participants, what they are handed, what they lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from attrs import define, field, frozen

from hive.broker.values import Moment, Receiver
from hive.errors import NotFoundError
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


@define(eq=False)
class Sessions:
    """The open sessions, and the fence around what each of them holds.

    Attributes:
        messages: All that are at hand, by id.
        open: The sessions, by id.
    """

    messages: Mapping[int, Message]
    open: dict[str, Session] = field(factory=dict, init=False)

    def get(self, session: str) -> Session:
        """Return an open session.

        Raises:
            NotFoundError: It is not open.
        """
        found = self.open.get(session)
        if found is None:
            raise NotFoundError(f"the session {session!r} is not open; connect again")
        return found

    def of(self, participant: str) -> list[Session]:
        """Return the sessions of a participant, oldest first."""
        return [each for each in self.open.values() if each.participant == participant]

    def touch(self, session: str, now: Moment) -> None:
        """Note that a session is alive, if it is open."""
        found = self.open.get(session)
        if found is not None:
            found.alive_at = now.loop

    def holder(self, message: Message) -> Session | None:
        """Return the session that a message was delivered to last, if it is still open."""
        return self.open.get(message.session or "")

    def held(self, by: Session, number: int, lease: str | None) -> Message | Stale:
        """Return a message that a session holds, itself or by the lease that it shows."""
        message = self.messages.get(number)
        if message is None:
            return Stale(number, None)
        why = why_not_held(message, by, lease, self.holder(message))
        return message if why is None else Stale(number, why)

    def drop(self, message: Message, lost: str | None = None) -> None:
        """Take a message from its holder, who is told why when it was `lost`."""
        holder = self.holder(message)
        if holder is not None:
            holder.held.pop(message.id, None)
            if lost is not None:
                holder.lost[message.id] = lost


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
