"""The turn feed: live events of a participant's turns, in memory only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from attrs import define, field, frozen

from hive.subscribers import Subscribers
from hive.wire.enums import LiveKind

MAX_EVENTS, MAX_CHARACTERS = 200, 262_144
"""Limits of the events of one participant that are kept: number and total length."""


@frozen
class TurnEvent:
    """A live event of a turn; `at` is wall seconds."""

    at: float
    kind: LiveKind
    text: str


Watcher = Callable[[], object]


class TurnEvents(NamedTuple):
    """Events that a watcher has not seen.

    Attributes:
        events: Those that the feed still has, oldest first.
        skipped: Number of those before them, which it has dropped.
        position: The position after them.
    """

    events: Sequence[TurnEvent]
    skipped: int
    position: int


@define(eq=False)
class TurnFeed:
    """The newest events of one participant, and its watchers.

    A watcher reads on from its position, the number of events before it. So the feed holds nothing
    for a watcher that is slow; the feed drops the oldest events, and says how many.

    Attributes:
        position: The position after the newest event.
    """

    position: int = field(default=0, init=False)
    _events: deque[TurnEvent] = field(factory=deque, init=False)
    _characters: int = field(default=0, init=False)
    _watchers: Subscribers[[]] = field(
        factory=lambda: Subscribers("the events of a turn"), init=False
    )

    @property
    def newest_at(self) -> float:
        """Wall time of the newest event; 0 before the first."""
        return self._events[-1].at if self._events else 0.0

    def add(self, event: TurnEvent) -> None:
        """Add an event, drop the oldest beyond the limits, and call the watchers."""
        self.position += 1
        self._events.append(event)
        self._characters += len(event.text)
        while len(self._events) > MAX_EVENTS or self._characters > MAX_CHARACTERS:
            self._characters -= len(self._events.popleft().text)
        self._watchers.notify()

    def before_newest(self, count: int) -> int:
        """Return the position before the newest events, at most `count` of them."""
        return self.position - min(count, len(self._events))

    def after(self, position: int) -> TurnEvents:
        """Return the events after a position."""
        missing = self.position - position
        kept = min(missing, len(self._events))
        events = list(islice(self._events, len(self._events) - kept, None))
        return TurnEvents(events, missing - kept, self.position)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` at each new event; returns the function that ends that."""
        return self._watchers.add(watcher)
