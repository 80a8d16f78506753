"""One inbox: its order, its numbers, who waits for it."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from hive.store import Kind, Message, MessageState

if TYPE_CHECKING:
    from hive.broker.sessions import Parked

_STORED = MessageState.STORED

HIGH = -1
"""The rank of messages of high priority; see `RANKS`."""

FEW_ENDED = 64
"""Ended messages that may stay in the heap of an inbox, without their bodies."""


@frozen
class InboxCounts:
    """How full an inbox is.

    Attributes:
        stored: Messages that wait, deferred ones included.
        leased: Messages that are being worked on.
        size: Bytes of the bodies of both.
    """

    stored: int
    leased: int
    size: int

    @property
    def unread(self) -> int:
        """Everything that is not acked: delivered is not read."""
        return self.stored + self.leased


@define(eq=False)
class Inbox:
    """The queue of one participant.

    Attributes:
        name: The inbox key.
        number: Its row on disk; 0 until it gets its first message.
        recipients: Its name, as the answer to a send says it.
        kind: What its participant is; None while nobody of that name takes part and the mail waits.
        broadcast: Whether it gets broadcasts.
        paused: Whether its mail is held back.
        stored: Messages that wait, deferred ones included.
        leased: Messages that are being worked on.
        size: Bytes of the bodies of both.
        ready: A heap of what can be delivered: rank, id, message. What left the state `stored` is
            dropped when it comes to the top.
        parked: Receivers that wait, first come first served.
        sessions: Open connections of its participant.
        last_seen: Wall time of the last sign of life of its participant, None if there was none.
        idle: Whether its participant is an agent that is meant to be stopped.
        tokens: Messages that its participant may send at once; None before its first.
        tokens_at: When that was so, in seconds of the loop.
    """

    name: str
    number: int = 0
    recipients: tuple[str, ...] = field(init=False)
    kind: Kind | None = None
    broadcast: bool = False
    paused: bool = False
    stored: int = 0
    leased: int = 0
    size: int = 0
    ready: list[tuple[int, int, Message]] = field(factory=list, init=False)
    parked: dict[Parked, None] = field(factory=dict, init=False)
    sessions: int = 0
    last_seen: float | None = None
    idle: bool = False
    tokens: float | None = None
    tokens_at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.recipients = (self.name,)

    @property
    def counts(self) -> InboxCounts:
        """How full it is now."""
        return InboxCounts(self.stored, self.leased, self.size)

    @property
    def unread(self) -> int:
        """Messages that are not acked."""
        return self.stored + self.leased

    @property
    def is_forgotten(self) -> bool:
        """Whether nothing is lost by dropping it."""
        return self.kind is None and not self.unread

    @property
    def is_heard(self) -> bool:
        """Whether somebody waits for its mail at this moment."""
        return not self.paused and any(parked.is_waiting for parked in self.parked)

    def empty(self) -> None:
        """Let go of all mail; who waits goes on waiting."""
        self.ready.clear()
        self.stored = self.leased = self.size = 0

    def queue(self, message: Message) -> None:
        """Put a stored message into its place: by priority, then by id."""
        heapq.heappush(self.ready, (message.priority, message.id, message))

    def take(self, parked: Parked) -> list[Message]:
        """Remove and return the next messages that a receiver takes; none while it is paused."""
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

    def next_served(self) -> tuple[Parked, list[Message]] | None:
        """Take mail for the first of those who wait and can be given some; None if nobody can."""
        for parked in list(self.parked) if self.ready else ():
            if parked.is_waiting and (taken := self.take(parked)):
                return parked, taken
        return None

    def forget_ended(self) -> None:
        """Let go of ended messages that have not come to the top, once they are more than half."""
        if len(self.ready) > 2 * self.stored + FEW_ENDED:
            self.ready = [entry for entry in self.ready if entry[2].state is _STORED]
            heapq.heapify(self.ready)
