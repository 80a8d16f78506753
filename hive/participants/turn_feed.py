"""What happens in a participant's turns, for whoever watches; nothing of it is stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field, frozen

from hive.wire.enums import LiveKind

KEPT_EVENTS, KEPT_CHARACTERS = 200, 262_144
"""What is kept of each participant for those who begin to watch, whichever is less."""


@frozen
class TurnEvent:
    """Something that just happened; `at` is wall seconds."""

    at: float
    kind: LiveKind
    text: str


Watcher = Callable[[TurnEvent], None]


@define(eq=False)
class TurnFeed:
    """The newest events of one participant, and who is told of each new one."""

    _kept: deque[TurnEvent] = field(factory=deque, init=False)
    _characters: int = field(default=0, init=False)
    _watchers: list[Watcher] = field(factory=list, init=False)

    def add(self, event: TurnEvent) -> None:
        """Keep an event for a while and tell those who watch."""
        self._kept.append(event)
        self._characters += len(event.text)
        while len(self._kept) > KEPT_EVENTS or self._characters > KEPT_CHARACTERS:
            self._characters -= len(self._kept.popleft().text)
        for watcher in tuple(self._watchers):
            watcher(event)

    def newest(self, count: int) -> list[TurnEvent]:
        """Return the newest events that are kept, oldest first."""
        return list(self._kept)[-count:] if count else []

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` with each event from now on; returns what ends that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)
