"""Deadlines that a jump of the wall clock neither delays nor brings forward.

| set by | due when |
|---|---|
| a delay that was given in this life of the daemon | the loop's clock says so |
| a time of the wall clock | the wall clock says so |
| an earlier daemon: only its wall time is known | either says so, or, of an end, both |

The wall clock may have been wrong when such a time was read, or be wrong now.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import define, field

from hive.broker.deadlines import Deadlines
from hive.broker.values import Moment

K = TypeVar("K", bound=Hashable)


@define(eq=False)
class WallDeadlines(Generic[K]):
    """A time for each key on one of the two clocks, or on both.

    Attributes:
        needs_both: Whether a key with both times is due when both are over; else when one is.
        entries: The keys.
    """

    needs_both: bool = False
    entries: dict[K, None] = field(factory=dict, init=False)
    _loop: Deadlines[K] = field(factory=Deadlines, init=False)
    _wall: Deadlines[K] = field(factory=Deadlines, init=False)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def set(self, key: K, *, loop: float | None = None, wall: float | None = None) -> None:
        """Set the times of `key`, in place of those that it may have.

        Args:
            key: The key.
            loop: In seconds of the loop; None if that clock does not count.
            wall: In wall seconds; None if that clock does not count.
        """
        self.discard(key)
        self.entries[key] = None
        if loop is not None:
            self._loop.set(key, loop)
        if wall is not None:
            self._wall.set(key, wall)

    def discard(self, key: K) -> None:
        """Remove `key` if it is present."""
        self.entries.pop(key, None)
        self._loop.discard(key)
        self._wall.discard(key)

    def delay(self, now: Moment) -> float | None:
        """Return the seconds until `pop_due` may find a key, None without any key."""
        delays = (self._loop.delay(now.loop), self._wall.delay(now.wall))
        return min((each for each in delays if each is not None), default=None)

    def pop_due(self, now: Moment) -> list[K]:
        """Remove and return every key that is due."""
        over = dict.fromkeys([*self._loop.pop_due(now.loop), *self._wall.pop_due(now.wall)])
        due = [key for key in over if not (self.needs_both and self._waits(key))]
        for key in due:
            self.discard(key)
        return due

    def clear(self) -> None:
        """Remove every key."""
        self.entries.clear()
        self._loop.clear()
        self._wall.clear()

    def _waits(self, key: K) -> bool:
        return key in self._loop or key in self._wall
