"""Deadlines: of keys in general, and of parked receivers."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from itertools import takewhile
from typing import Generic, TypeVar

from attrs import define, field

from hive.broker.sessions import Parked

K = TypeVar("K", bound=Hashable)

_SPARE = 64
"""Outdated heap entries that are always tolerated."""


@define(eq=False)
class Deadlines(Generic[K]):
    """A time for each key; setting, discarding and popping cost O(log n).

    A discarded entry stays in the heap until it is due, or until such entries are the majority:
    a key that is discarded early must not cost memory until its time comes.

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
        """Set the time of `key`, in place of the one that it may have."""
        self._entered += 1  # breaks ties, so that keys are never compared
        entry = self.entries[key] = (when, self._entered, key)
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 2 * len(self.entries) + _SPARE:
            self._compact()

    def discard(self, key: K) -> None:
        """Remove `key` if it is present."""
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
        """Remove and return every key that is due, earliest first."""
        due = []
        while (first := self.next()) is not None and first <= now:
            key = heapq.heappop(self._heap)[2]
            del self.entries[key]
            due.append(key)
        return due

    def clear(self) -> None:
        """Remove every key."""
        self.entries.clear()
        self._heap.clear()

    def _is_outdated(self, entry: tuple[float, int, K]) -> bool:
        return self.entries.get(entry[2]) is not entry

    def _compact(self) -> None:
        self._heap = [entry for entry in self._heap if not self._is_outdated(entry)]
        heapq.heapify(self._heap)


@define(eq=False)
class Waits:
    """Deadlines of parked receivers, grouped by the length of their wait.

    Within a group, receivers time out in the order in which they were parked. So a receiver costs
    one entry of a dict, which `Parked.unpark` removes, and only a group has an entry in the heap.
    That entry may be too early, never too late: it is not updated when its first receiver is
    served. An empty group stays for the next receiver with the same wait, until such groups are the
    majority.
    """

    _groups: dict[float, dict[Parked, None]] = field(factory=dict, init=False)
    _heads: list[tuple[float, float]] = field(factory=list, init=False)
    _room: int = field(default=_SPARE, init=False)

    def add(self, parked: Parked, wait: float, now: float) -> bool:
        """Add a receiver that waits `wait` seconds from `now`; return whether its group is new."""
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

    def next(self) -> float | None:
        """Return a time before which no receiver times out, None without receivers."""
        while self._heads and not self._groups[self._heads[0][1]]:
            del self._groups[heapq.heappop(self._heads)[1]]
        return self._heads[0][0] if self._heads else None

    def pop_due(self, now: float) -> list[Parked]:
        """Remove and return the receivers that time out, earliest first within a group."""
        due: list[Parked] = []
        while self._heads and self._heads[0][0] <= now:
            _, wait = heapq.heappop(self._heads)
            group = self._groups[wait]
            over = list(takewhile(lambda parked: parked.until <= now, group))
            for parked in over:
                del group[parked]
            due += over
            if group:
                heapq.heappush(self._heads, (next(iter(group)).until, wait))
            else:
                del self._groups[wait]
        return due

    def clear(self) -> None:
        """Remove every receiver."""
        self._groups.clear()
        self._heads.clear()

    def _compact(self) -> None:
        """Remove the empty groups."""
        self._heads = [head for head in self._heads if self._groups[head[1]]]
        heapq.heapify(self._heads)
        self._groups = {wait: self._groups[wait] for _, wait in self._heads}
        self._room = 2 * len(self._heads) + _SPARE
