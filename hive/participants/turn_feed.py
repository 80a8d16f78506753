"""The turn feed: live events of a participant's turns, in memory only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field, frozen

from hive.wire.enums import LiveKind

MAX_EVENTS, MAX_CHARACTERS = 200, 262_144
"""Limits of the events of one participant that a new watcher gets: number and total length."""


@frozen
class TurnEvent:
    """A live event of a turn; `at` is wall seconds."""

    at: float
    kind: LiveKind
    text: str


Watcher = Callable[[TurnEvent], None]


@define(eq=False)
class TurnFeed:
    """The newest events of one participant, and its watchers."""

    _events: deque[TurnEvent] = field(factory=deque, init=False)
    _characters: int = field(default=0, init=False)
    _watchers: list[Watcher] = field(factory=list, init=False)

    def add(self, event: TurnEvent) -> None:
        """Add an event, drop the oldest beyond the limits, and call the watchers."""
        self._events.append(event)
        self._characters += len(event.text)
        while len(self._events) > MAX_EVENTS or self._characters > MAX_CHARACTERS:
            self._characters -= len(self._events.popleft().text)
        for watcher in tuple(self._watchers):
            watcher(event)

    def newest(self, count: int) -> list[TurnEvent]:
        """Return the newest events, oldest first."""
        return list(self._events)[-count:] if count else []

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` with each new event; returns the function that ends that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)
