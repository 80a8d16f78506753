"""What goes into the broker and what comes out of it.

What is made for every message is a named tuple: a frozen class costs twice as much to make.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from attrs import frozen

from hive.names import SYSTEM
from hive.store import NO_ORIGIN, Kind, Message, MessageKind, Origin, Priority


class Moment(NamedTuple):
    """One instant on both clocks, in seconds.

    `loop` is monotonic and decides about leases and waits; `wall` is shown to people, kept on disk,
    and decides when a delayed message is due.
    """

    loop: float
    wall: float


class Draft(NamedTuple):
    """A message that is to be sent.

    Attributes:
        sender: Who sends it, as the socket says.
        sender_kind: What the sender is.
        to: A participant, `operator`, `manager`, or `*` for every agent but the sender.
        body: What it says.
        in_reply_to: The message that it answers.
        label: A free word that is shown with it.
        kind: Why it is sent; a broadcast becomes `BROADCAST` by itself.
        transient: It only rings: it is not kept when nobody waits for mail at that moment.
        origin: Where the request came from.
        priority: Its class.
        ttl: Seconds after which it is given up if it was not delivered.
        not_before: Wall time before which it is not delivered.
        delay: The same as seconds from now.
        dedupe_key: A repeat of it within the window is answered with the first id.
        supersede_key: It replaces what this sender sent to the inbox under this key, if unread.
    """

    sender: str
    sender_kind: Kind
    to: str
    body: str
    in_reply_to: int | None = None
    label: str | None = None
    kind: MessageKind = MessageKind.MESSAGE
    transient: bool = False
    origin: Origin = NO_ORIGIN
    priority: Priority = Priority.NORMAL
    ttl: float | None = None
    not_before: float | None = None
    delay: float | None = None
    dedupe_key: str | None = None
    supersede_key: str | None = None

    def due(self, now: float) -> float | None:
        """Return the wall time before which it is not delivered, None for at once."""
        when = now + self.delay if self.delay else self.not_before
        return when if when is not None and when > now else None

    @classmethod
    def event(cls, to: str, body: str) -> Draft:
        """Return a draft of the daemon's own; `body` is JSON."""
        return cls(SYSTEM, Kind.SYSTEM, to, body, kind=MessageKind.EVENT)


@frozen
class Skipped:
    """An inbox that a broadcast could not reach, and why."""

    name: str
    why: str


class Sent(NamedTuple):
    """Messages that are on disk.

    Attributes:
        ids: One for each recipient, in the same order; empty for a transient one nobody heard.
        recipients: Names of the inboxes that have it.
        skipped: Inboxes that a broadcast could not reach.
        duplicate: Whether it was stored before, under the same key, and not again.
        parked: Why it waits for the operator instead of being delivered.
    """

    ids: tuple[int, ...]
    recipients: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    duplicate: bool = False
    parked: str | None = None

    @property
    def id(self) -> int | None:
        """The first id, which stands for the whole broadcast."""
        return self.ids[0] if self.ids else None


class Delivery(NamedTuple):
    """A message as a receiver gets it.

    Attributes:
        attempt: 1 for the first delivery that counts.
        redelivered: Whether it may have been delivered before.
        lease: Proof of this delivery, for `ack` and `nack`.
    """

    id: int
    sender: str
    sender_kind: Kind
    body: str
    sent_at: float
    attempt: int
    redelivered: bool
    lease: str
    kind: MessageKind
    in_reply_to: int | None
    label: str | None
    thread: int | None
    priority: Priority

    @classmethod
    def of(cls, message: Message, body: str) -> Delivery:
        """Return the delivery that a leased message makes."""
        return cls(
            message.id,
            message.sender,
            message.sender_kind,
            body,
            message.sent_at,
            message.attempts,
            message.deliveries > 1,
            message.lease or "",
            message.kind,
            message.in_reply_to,
            message.label,
            message.thread,
            message.priority,
        )


class Reply(Protocol):
    """The right to answer one request, now or later; `actors.Reply` is one."""

    @property
    def expired(self) -> bool:
        """Whether the caller has stopped waiting."""
        ...

    def send(self, value: object) -> None:
        """Answer with a value."""
        ...

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        ...


class Receiver(Protocol):
    """Whoever waits for mail; all that the rules need to know is whether it still does."""

    @property
    def expired(self) -> bool:
        """Whether it has stopped waiting."""
        ...
