"""The operator's marks: what is pinned, archived or snoozed, on disk and in memory.

A snooze ends by itself, since every reader compares it with the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from attrs import evolve

from hive.clock import Clock, rfc3339
from hive.errors import ConflictError
from hive.quantities import counted
from hive.store import Store
from hive.store import attention_marks as table
from hive.store.attention_marks import COMING_PREFIXES, ITEM_PREFIXES, Mark

MARKS_MAX = 2000
"""Most marks of items and participants."""


class Marks:
    """All marks.

    Args:
        store: Stores them.
        clock: Wall time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._marks: dict[str, Mark] = {}
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Read the marks from the disk."""
        self._marks = {each.key: each for each in await self._store.read(table.marks)}

    def of(self, key: str, since: str | None) -> Mark:
        """Return the mark of an item that began then, or, without a begin, of a participant."""
        found = self._marks.get(key)
        return found if found is not None and found.since == since else Mark(key, since)

    def of_participant(self, name: str) -> tuple[bool | None, bool | None, str | None]:
        """Return what its status row has: `pinned`, `archived`, `snoozed_until`; None for no."""
        found = self._marks.get(name)
        if found is None or found.since is not None:
            return None, None, None
        until = found.snoozed_until
        asleep = until is not None and found.is_snoozed(self._clock.now())
        return (
            found.pinned or None,
            found.archived or None,
            rfc3339(until) if asleep and until is not None else None,
        )

    def occurrence(self, item_id: str, since: str | None, name: str | None) -> str:
        """Return what distinguishes this appearance of an item from earlier ones.

        A snooze that has ended makes a new one.
        """
        marks = [self.of(item_id, since or "")]
        if name is not None:
            marks.append(self.of(name, None))
        woken = [each.snoozed_until for each in marks if each.snoozed_until is not None]
        return f"{since or ''} {max(woken):.3f}" if woken else since or ""

    def next_wake(self) -> float | None:
        """Return the wall time at which the next snooze ends; None without one."""
        now = self._clock.now()
        return min(
            (
                each.snoozed_until
                for each in self._marks.values()
                if each.snoozed_until is not None and each.is_snoozed(now)
            ),
            default=None,
        )

    async def change(
        self,
        key: str,
        since: str | None,
        *,
        pinned: bool | None = None,
        archived: bool | None = None,
        snooze: float | None = None,
        present: Collection[str] | None = None,
    ) -> None:
        """Change a mark; returns when it is on disk. What is None stays.

        Args:
            key: The id of an item or the name of a participant.
            since: When the item began; None for a participant.
            pinned: Whether it is pinned.
            archived: Whether it is archived.
            snooze: Seconds until it wakes; 0 wakes it.
            present: The ids of all items; marks of other items are removed.

        Raises:
            ConflictError: There are too many marks.
        """
        async with self._lock:
            gone = () if present is None else self._gone(present)
            if key not in self._marks and len(self._marks) - len(gone) >= MARKS_MAX:
                raise ConflictError(
                    f"there are already {counted(len(self._marks), 'mark')}, at most {MARKS_MAX} "
                    "are allowed; take some back, as by 'hive-c0re attention unarchive ID'"
                )
            before = self.of(key, since)
            after = evolve(
                before,
                pinned=before.pinned if pinned is None else pinned,
                archived=before.archived if archived is None else archived,
                snoozed_until=before.snoozed_until if snooze is None else self._until(snooze),
            )
            await self._store.write(table.save_mark(after, gone))
            for each in gone:
                self._marks.pop(each, None)
            if after.is_empty:
                self._marks.pop(key, None)
            else:
                self._marks[key] = after

    def rename(self, old: str, new: str) -> None:
        """Change the name of a participant; it is on disk already."""
        for prefix in ("", *ITEM_PREFIXES):
            found = self._marks.pop(prefix + old, None)
            if found is not None:
                self._marks[prefix + new] = evolve(found, key=prefix + new)

    def forget(self, name: str) -> None:
        """Remove the marks of a participant and of its items; it is on disk already."""
        for prefix in ("", *ITEM_PREFIXES):
            self._marks.pop(prefix + name, None)

    def _until(self, snooze: float) -> float | None:
        return self._clock.now() + snooze if snooze > 0 else None

    def _gone(self, present: Collection[str]) -> tuple[str, ...]:
        return tuple(
            each.key
            for each in self._marks.values()
            if each.since is not None
            and each.key not in present
            and not each.key.startswith(COMING_PREFIXES)
        )
