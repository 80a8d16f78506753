"""Inboxes, and the resolution of addresses to inboxes."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from hive.broker.values import HIGH
from hive.clock import rfc3339
from hive.errors import UnknownNameError
from hive.names import (
    EVERYONE,
    GROUP_PREFIX,
    MANAGER,
    MANAGER_ALIAS,
    OPERATOR,
    WITHOUT_INBOX,
    inbox_key,
    suggest,
    unknown_participant,
)
from hive.store import Kind, Message, MessageState
from hive.wire.rows import SkippedRow

if TYPE_CHECKING:
    from hive.broker.sessions import Parked

_STORED = MessageState.STORED

ENDED_KEPT = 64
"""Ended messages that may stay in the heap of an inbox; they have no body."""


@frozen
class InboxCounts:
    """Number and size of the messages of an inbox.

    Attributes:
        stored: Messages that are not leased; deferred and parked ones included.
        leased: Messages under a lease.
        size: Bytes of the bodies of both.
    """

    stored: int
    leased: int
    size: int

    @property
    def unread(self) -> int:
        """Messages that are not acked; a delivered message counts as unread."""
        return self.stored + self.leased


@define(eq=False)
class MailTotals:
    """Messages of one participant since the daemon started; a commit that fails counts, too.

    Attributes:
        sent: Messages that it sent, each copy.
        received: Messages that were stored for it.
        delivered: Deliveries of its messages, repeated ones included.
        acked: Its messages that were acked, or read without a lease.
        expired: Its messages that expired, were superseded or withdrawn.
        dead: Its messages that became dead letters.
    """

    sent: int = 0
    received: int = 0
    delivered: int = 0
    acked: int = 0
    expired: int = 0
    dead: int = 0


@define(eq=False)
class Inbox:
    """The queue of one participant.

    Attributes:
        name: The inbox key.
        number: Its row on disk; 0 until its first message.
        recipients: A tuple of its name, for the answer to a send.
        kind: The kind of its participant; None while no participant has the name.
        broadcast: Whether it receives broadcasts if it is that of a participant.
        paused: Whether its messages are not delivered at present; its sessions are granted nothing
            then, from work queues neither.
        waits: Whether its participant waits for a turn, see `hive.broker.turn_cap`.
        frozen_at: When its participant was frozen, in seconds of the loop; None unless it is. Its
            sessions are granted nothing then, from work queues neither, and lose no lease.
        stored: Messages that are not leased; deferred and parked ones included.
        leased: Messages under a lease.
        size: Bytes of the bodies of both.
        sent: Number of its messages by sender, in any state; none of 0.
        sent_bytes: Bytes of their bodies by sender, for the same senders.
        ready: A heap of the deliverable messages: rank, id, message. Entries of messages that are
            no longer `stored` are removed when they reach the top.
        waiting: Parked receivers of any message, in the order of their requests.
        waiting_urgent: Parked receivers of messages of high priority only, in the same order.
        sessions: Number of open sessions of its participant.
        last_seen: Wall time at which its participant was last connected, None for never.
        idle: Whether its participant is an agent whose desired state is `stopped`.
        tokens: Messages that its participant may send at once; None before its first. See
            `admission.spend`.
        room: Bytes of bodies that it may send at once.
        tokens_at: Time of both, in seconds of the loop.
        totals: What was sent, delivered and ended, for the metrics.
    """

    name: str
    number: int = 0
    recipients: tuple[str, ...] = field(init=False)
    kind: Kind | None = None
    broadcast: bool = False
    paused: bool = False
    waits: bool = False
    frozen_at: float | None = None
    stored: int = 0
    leased: int = 0
    size: int = 0
    sent: dict[str, int] = field(factory=dict, init=False)
    sent_bytes: dict[str, int] = field(factory=dict, init=False)
    ready: list[tuple[int, int, Message]] = field(factory=list, init=False)
    waiting: dict[Parked, None] = field(factory=dict, init=False)
    waiting_urgent: dict[Parked, None] = field(factory=dict, init=False)
    sessions: int = 0
    last_seen: float | None = None
    idle: bool = False
    tokens: float | None = None
    room: float = 0.0
    tokens_at: float = 0.0
    totals: MailTotals = field(factory=MailTotals, init=False)

    def __attrs_post_init__(self) -> None:
        self.recipients = (self.name,)

    @property
    def counts(self) -> InboxCounts:
        """Number and size of its messages."""
        return InboxCounts(self.stored, self.leased, self.size)

    @property
    def unread(self) -> int:
        """Messages that are not acked."""
        return self.stored + self.leased

    @property
    def is_unused(self) -> bool:
        """Whether it has neither a participant nor messages, so that it can be deleted."""
        return self.kind is None and not self.unread

    @property
    def parked(self) -> tuple[Parked, ...]:
        """All parked receivers."""
        return (*self.waiting, *self.waiting_urgent)

    def receiver_of(self, rank: int) -> Parked | None:
        """Return the first parked receiver of a message of this rank; None while it is paused."""
        if self.paused:
            return None
        found = _first(self.waiting) if self.waiting else None
        if rank > HIGH or not self.waiting_urgent:
            return found
        urgent = _first(self.waiting_urgent)
        if found is None or urgent is None:
            return found or urgent
        return found if found.number < urgent.number else urgent

    def rename(self, name: str) -> None:
        """Change the inbox key."""
        self.name = name
        self.recipients = (name,)

    def clear(self) -> None:
        """Remove all messages; parked receivers stay parked."""
        self.ready.clear()
        self.sent.clear()
        self.sent_bytes.clear()
        self.stored = self.leased = self.size = 0

    def queue(self, message: Message) -> None:
        """Add a stored message in its place: by rank, then by id."""
        heapq.heappush(self.ready, (message.priority, message.id, message))

    def take(self, parked: Parked) -> list[Message]:
        """Remove and return the next messages for a receiver; none while the inbox is paused."""
        ready, max_bytes = self.ready, parked.max_bytes
        taken: list[Message] = []
        size = 0
        while ready and not self.paused and len(taken) < parked.max:
            rank, _, message = ready[0]
            if message.state is _STORED:
                if parked.urgent and rank > HIGH:
                    break
                size += message.size
                if taken and max_bytes is not None and size > max_bytes:
                    break
                taken.append(message)
            heapq.heappop(ready)
        return taken

    def next_rank(self) -> int | None:
        """Return the rank of the message that is delivered next; None without one."""
        ready = self.ready
        while ready and ready[0][2].state is not _STORED:
            heapq.heappop(ready)
        return ready[0][0] if ready else None

    def compact(self) -> None:
        """Remove the ended messages from the heap once they are more than half of it."""
        if len(self.ready) > 2 * self.stored + ENDED_KEPT:
            self.ready = [entry for entry in self.ready if entry[2].state is _STORED]
            heapq.heapify(self.ready)


def _first(receivers: Iterable[Parked]) -> Parked | None:
    """Return the first receiver that may be granted something and whose client still waits.

    Those before it whose client has gone are unparked: so each is looked at once, and not for every
    message. Those of a participant that is paused, is frozen or waits for a turn stay parked.
    """
    gone: list[Parked] = []
    for parked in receivers:
        home = parked.session.inbox
        if home is not None and (home.paused or home.waits or home.frozen_at is not None):
            continue
        if parked.is_waiting:
            break
        gone.append(parked)
    else:
        parked = None
    for each in gone:
        each.unpark()
    return parked


Inboxes = Mapping[str, Inbox]
Groups = Mapping[str, frozenset[str]]


def recipients(
    to: str,
    sender: str,
    inboxes: Inboxes,
    groups: Groups,
    *,
    unseen_since: float,
) -> tuple[list[str], list[SkippedRow]]:
    """Return the inboxes that a message to several participants goes to, and those it skips.

    Args:
        to: `*` for a broadcast, or a group with its prefix.
        sender: Name of the sender, which gets no copy.
        inboxes: All inboxes, by name.
        groups: Members of each group.
        unseen_since: Wall time; a broadcast skips participants last seen before it.

    Raises:
        UnknownNameError: There is no such group, or no recipient.
    """
    if to == EVERYONE:
        return _everyone(sender, inboxes, unseen_since)
    return _members(to, sender, inboxes, groups)


def is_single(to: str) -> bool:
    """Return whether an address names one inbox, not a broadcast or a group."""
    return to != EVERYONE and not to.startswith(GROUP_PREFIX)


def _everyone(
    sender: str, inboxes: Inboxes, unseen_since: float
) -> tuple[list[str], list[SkippedRow]]:
    found: list[str] = []
    skipped: list[SkippedRow] = []
    for inbox in sorted(inboxes.values(), key=lambda each: each.name):
        if inbox.name == sender or not _receives_broadcasts(inbox):
            continue
        absence = _absence(inbox, unseen_since)
        if absence is None:
            found.append(inbox.name)
        else:
            skipped.append(_skipped(inbox.name, absence))
    if not found:
        reasons = "".join(f"; {each.name!r} {each.reason}" for each in skipped)
        raise UnknownNameError(
            f"nothing was stored: no other participant receives broadcasts{reasons}"
        )
    return found, skipped


def _members(
    to: str, sender: str, inboxes: Inboxes, groups: Groups
) -> tuple[list[str], list[SkippedRow]]:
    name = to.removeprefix(GROUP_PREFIX)
    if name not in groups:
        raise UnknownNameError(
            f"nothing was stored: there is no group {to!r}{suggest(name, groups)}"
        )
    others = sorted(groups[name] - {sender})
    here = [each for each in others if each in inboxes and inboxes[each].kind is not None]
    if not here:
        raise UnknownNameError(
            f"nothing was stored: no other member of the group {to!r} is registered"
        )
    skipped = [_skipped(each, "is not registered") for each in others if each not in here]
    return here, skipped


def _absence(inbox: Inbox, unseen_since: float) -> str | None:
    """Return why a broadcast skips a participant, None if it does not."""
    if inbox.sessions:
        return None
    if inbox.last_seen is None:
        return "was never connected and is stopped" if inbox.idle else None
    if inbox.last_seen < unseen_since:
        return f"was last seen at {rfc3339(inbox.last_seen)}"
    return None


def resolve(to: str, inboxes: Inboxes) -> str:
    """Return the name of the one inbox that an address names.

    Raises:
        UnknownNameError: There is none; the error suggests the most similar name.
    """
    if to in WITHOUT_INBOX:
        raise UnknownNameError(f"nothing was stored: {to!r} only sends, it has no inbox")
    name = inbox_key(to)
    inbox = inboxes.get(name)
    if inbox is not None and inbox.kind is not None:
        return name
    if name == MANAGER:
        raise UnknownNameError("nothing was stored: this hive has no manager")
    raise unknown_participant(to, _known(inboxes))


def _known(inboxes: Inboxes) -> Iterable[str]:
    names = {inbox.name for inbox in inboxes.values() if inbox.kind is not None}
    return sorted(names | {OPERATOR} | ({MANAGER_ALIAS} if MANAGER in names else set()))


def _receives_broadcasts(inbox: Inbox) -> bool:
    return inbox.broadcast and inbox.kind in {Kind.AGENT, Kind.MANAGER, Kind.PEER}


def _skipped(name: str, why: str) -> SkippedRow:
    return SkippedRow(name=name, reason=why)
