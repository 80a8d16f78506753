"""Turns of large answers: those of one participant are made one at a time, while there is room.

One that waits is an entry in a queue, not a task. What waits when its connection ends is dropped:
nothing is read for a client that has gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from attrs import define, field

Begin = Callable[[], None]
"""Begins to make an answer; `AnswerTurns.end` is called when it is made."""


@define(eq=False)
class AnswerTurns:
    """The large answers of one participant.

    The connections take turns. The answers of one connection are made in the order of its requests,
    because they are written in that order: one that is ready would otherwise fill the budget that
    the first waits for.
    """

    _waiting: dict[Hashable, deque[Begin]] = field(factory=dict, init=False)
    _is_making: bool = field(default=False, init=False)
    _has_room: bool = field(default=True, init=False)

    def add(self, connection: Hashable, begin: Begin) -> None:
        """Make an answer when it is its turn, at once if nothing is in its way."""
        self._waiting.setdefault(connection, deque()).append(begin)
        self._begin_next()

    def end(self) -> None:
        """Begin the next answer, because one is made."""
        self._is_making = False
        self._begin_next()

    def set_room(self, has_room: bool) -> None:
        """Begin answers, or begin no more while the budget is full."""
        self._has_room = has_room
        self._begin_next()

    def leave(self, connection: Hashable) -> None:
        """Drop the answers of a connection that are not begun."""
        self._waiting.pop(connection, None)

    def _begin_next(self) -> None:
        if self._is_making or not self._has_room or not self._waiting:
            return
        connection = next(iter(self._waiting))
        queue = self._waiting.pop(connection)
        begin = queue.popleft()
        if queue:
            self._waiting[connection] = queue
        self._is_making = True
        begin()
