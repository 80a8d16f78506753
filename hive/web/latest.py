"""A value that one task reads while pages watch it, however many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from attrs import define, field

T = TypeVar("T")


@define(eq=False)
class Latest(Generic[T]):
    """The newest value.

    Attributes:
        read: Sets new values for ever; it runs while a page watches.
        value: The newest value; None before the first.
    """

    read: Callable[[], Coroutine[Any, Any, None]]
    value: T | None = field(default=None, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)
    _watchers: int = field(default=0, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def set(self, value: T) -> None:
        """Show a value to all watchers."""
        self.value = value
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def is_watched(self) -> bool:
        """Whether a page watches."""
        return self._watchers > 0

    @contextmanager
    def watching(self) -> Iterator[LatestWatch[T]]:
        """LatestWatch until the end of the context."""
        self._watchers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self.read(), name="read what pages show")
        try:
            yield LatestWatch(self)
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._task.cancel()
                self._task = None

    def next_change(self) -> asyncio.Event:
        """Return what the next new value sets."""
        return self._changed


@define(eq=False)
class LatestWatch(Generic[T]):
    """One who watches a value."""

    _latest: Latest[T]
    _seen: T | None = field(default=None, init=False)

    async def next(self, within: float | None = None) -> T | None:
        """Return the newest value once it differs from the last one; None after so many seconds."""
        while (found := self._latest.value) is None or found is self._seen:
            try:
                async with asyncio.timeout(within):
                    await self._latest.next_change().wait()
            except TimeoutError:
                return None
        self._seen = found
        return found
