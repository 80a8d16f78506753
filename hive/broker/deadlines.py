"""Many deadlines, of which only the next one matters."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import define, field

from hive.broker.sessions import Parked

K = TypeVar("K", bound=Hashable)

_SPARE = 64
"""Outdated heap entries that are always tolerated."""


@define(eq=False)
class Deadlines(Generic[K]):
    """A time for each key; setting, discarding and popping cost O(log n).

    A discarded entry stays in the heap until it is due or until such entries are the majority:
    an acked lease must not cost memory for the quarter of an hour that it could have lasted.

    Attributes:
        entries: The keys, each with its entry in the heap.
    """

    entries: dict[K, tuple[float, int, K]] = field(factory=dict, init=False)
    _heap: list[tuple[float, int, K]] = field(factory=list, init=False)
    _entered: int = field(default=0, init=False)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, key: K) -> bool:
        return key in self.entries

    def set(self, key: K, when: float) -> None:
        """Give `key` a time, in place of the one it may have."""
        self._entered += 1  # breaks ties, so that keys are never compared
        entry = self.entries[key] = (when, self._entered, key)
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 2 * len(self.entries) + _SPARE:
            self._compact()

    def discard(self, key: K) -> None:
        """Take `key` out if it is in."""
        self.entries.pop(key, None)

    def next(self) -> float | None:
        """Return the earliest time, None without any key."""
        while self._heap and self._is_outdated(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def delay(self, now: float) -> float | None:
        """Return the seconds until the earliest time, None without any key."""
        first = self.next()
        return None if first is None else max(0.0, first - now)

    def pop_due(self, now: float) -> list[K]:
        """Take out every key whose time has come, earliest first."""
        due = []
        while (first := self.next()) is not None and first <= now:
            key = heapq.heappop(self._heap)[2]
            del self.entries[key]
            due.append(key)
        return due

    def clear(self) -> None:
        """Take every key out."""
        self.entries.clear()
        self._heap.clear()

    def _is_outdated(self, entry: tuple[float, int, K]) -> bool:
        return self.entries.get(entry[2]) is not entry

    def _compact(self) -> None:
        self._heap = [entry for entry in self._heap if not self._is_outdated(entry)]
        heapq.heapify(self._heap)


@define(eq=False)
class Waits:
    """Receivers that wait, grouped by how long: a group ends in the order in which it came.

    So to wait costs one entry in a dict, and only a group has a place in the heap. That place may
    be too early, never too late: whoever was served meanwhile is not looked for in it. A group that
    is empty stays for those who wait as long next time, until such groups are the majority.
    """

    _groups: dict[float, dict[Parked, None]] = field(factory=dict, init=False)
    _heads: list[tuple[float, float]] = field(factory=list, init=False)
    _room: int = field(default=_SPARE, init=False)

    def add(self, parked: Parked, wait: float, now: float) -> bool:
        """Let one wait so many seconds from `now` on; return whether its group is new."""
        parked.until = now + wait
        group = self._groups.get(wait)
        if group is not None:
            group[parked] = None
            parked.group = group
            return False
        if len(self._heads) >= self._room:
            self._compact()
        parked.group = self._groups[wait] = {parked: None}
        heapq.heappush(self._heads, (parked.until, wait))
        return True

    def discard(self, parked: Parked) -> None:
        """Let one wait no more, if it does."""
        if parked.group is not None:
            parked.group.pop(parked, None)

    def next(self) -> float | None:
        """Return a time before which nobody has waited long enough, None if nobody waits."""
        while self._heads and not self._groups[self._heads[0][1]]:
            del self._groups[heapq.heappop(self._heads)[1]]
        return self._heads[0][0] if self._heads else None

    def pop_due(self, now: float) -> list[Parked]:
        """Take out those who have waited long enough, earliest first within a group."""
        due: list[Parked] = []
        while self._heads and self._heads[0][0] <= now:
            _, wait = heapq.heappop(self._heads)
            group = self._groups[wait]
            while group and (first := next(iter(group))).until <= now:
                del group[first]
                due.append(first)
            if group:
                heapq.heappush(self._heads, (next(iter(group)).until, wait))
            else:
                del self._groups[wait]
        return due

    def clear(self) -> None:
        """Let nobody wait any more."""
        self._groups.clear()
        self._heads.clear()

    def _compact(self) -> None:
        """Let go of the groups in which nobody waits."""
        self._heads = [head for head in self._heads if self._groups[head[1]]]
        heapq.heapify(self._heads)
        self._groups = {wait: self._groups[wait] for _, wait in self._heads}
        self._room = 2 * len(self._heads) + _SPARE
