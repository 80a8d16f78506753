"""One inbox: its order, its numbers, who waits for it."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

from attrs import define, field, frozen

from hive.broker.values import Receiver
from hive.store import Kind, Message, MessageState, Priority

R = TypeVar("R", bound=Receiver)

_STORED = MessageState.STORED


@define(eq=False)
class Parked(Generic[R]):
    """A receiver that waits for mail: a record, not a task.

    Attributes:
        max: Messages that it takes at most.
        urgent: Whether it takes only those of high priority.
    """

    receiver: R
    session: str
    inbox: str
    max: int
    urgent: bool = False


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
class Inbox(Generic[R]):
    """The queue of one participant.

    Attributes:
        name: The inbox key.
        kind: What its participant is; None while nobody of that name takes part and the mail waits.
        broadcast: Whether it gets broadcasts.
        paused: Whether its mail is held back.
        stored: Messages that wait, deferred ones included.
        leased: Messages that are being worked on.
        size: Bytes of the bodies of both.
        parked: Receivers that wait, first come first served.
        sessions: Open connections of its participant.
        last_seen: Wall time of the last sign of life of its participant, None if there was none.
        idle: Whether its participant is an agent that is meant to be stopped.
    """

    name: str
    kind: Kind | None = None
    broadcast: bool = False
    paused: bool = False
    stored: int = 0
    leased: int = 0
    size: int = 0
    parked: dict[R, Parked[R]] = field(factory=dict)
    sessions: int = 0
    last_seen: float | None = None
    idle: bool = False
    _ready: list[tuple[int, int, Message]] = field(factory=list)

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
        return not self.paused and any(not receiver.expired for receiver in self.parked)

    def emptied(self) -> Inbox[R]:
        """Return it without its mail."""
        return Inbox(
            self.name,
            self.kind,
            self.broadcast,
            self.paused,
            parked=self.parked,
            sessions=self.sessions,
            last_seen=self.last_seen,
            idle=self.idle,
        )

    def queue(self, message: Message) -> None:
        """Put a stored message into its place: by priority, then by id."""
        heapq.heappush(self._ready, (message.priority, message.id, message))

    def take(self, parked: Parked[R]) -> list[Message]:
        """Remove and return the next messages that a receiver takes."""
        taken: list[Message] = []
        while len(taken) < parked.max and self.has_for(parked):
            taken.append(heapq.heappop(self._ready)[2])
        return taken

    def has_for(self, parked: Parked[R]) -> bool:
        """Whether a receiver would get something now; what has left the state is dropped."""
        while self._ready and self._ready[0][2].state is not _STORED:
            heapq.heappop(self._ready)
        if self.paused or not self._ready:
            return False
        return not parked.urgent or self._ready[0][0] <= Priority.HIGH

    def next_served(self) -> Parked[R] | None:
        """Return who is served next, None if there is nothing for anybody who waits."""
        return next((parked for parked in self.parked.values() if self.has_for(parked)), None)
