"""The disk reserve: free space on the store's file system that participants may not use.

On a full disk nothing can be stored, not even that the operator has made room. So participants are
refused earlier, while the verbs of the operator still work. The free space is read after a commit,
at most once a second, and once a second while it is short.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from attrs import define, field, frozen

from hive.config import in_units
from hive.errors import UnavailableError
from hive.store.store import Store
from hive.subscribers import Subscribers

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Least seconds between two looks at the free space."""


@frozen
class Shortage:
    """Too little free space.

    Attributes:
        free: Free bytes, when it was noticed.
        reserve: Bytes that should be free.
    """

    free: int
    reserve: int

    def __str__(self) -> str:
        return (
            f"the store's file system has {in_units(self.free)} left, less than the reserve of "
            f"{in_units(self.reserve)} ('disk_reserve' of [limits])"
        )

    def refusal(self) -> UnavailableError:
        """Return the error of a participant's request that would store something."""
        return UnavailableError(f"{self}; nothing was stored: the operator has to make room")


Listener = Callable[[Shortage | None], None]
"""Called when a shortage begins, and with None when it ends."""


@define(eq=False)
class DiskReserve:
    """Looks at the free space of a store's file system.

    Attributes:
        shortage: The present shortage; None while there is enough space.
    """

    _store: Store
    _reserve: int
    shortage: Shortage | None = field(default=None, init=False)
    _subscribers: Subscribers[[Shortage | None]] = field(
        factory=lambda: Subscribers("the disk reserve"), init=False
    )
    _look: asyncio.Task[None] | None = field(default=None, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _unsubscribe: Callable[[], None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._unsubscribe = self._store.on_commit(self._look_soon)

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` whenever a shortage begins or ends."""
        self._subscribers.add(listener)

    def set_reserve(self, reserve: int) -> None:
        """Change the bytes that should be free; it is noticed at the next look."""
        self._reserve = reserve

    def close(self) -> None:
        """Look no more, except after a commit."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_soon(self) -> None:
        """Look after this commit, and for a second after no other: most commits pay nothing."""
        self._unsubscribe()
        self._look = asyncio.get_running_loop().create_task(self._run(), name="disk reserve")

    async def _run(self) -> None:
        await self.look()
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_again)

    def _look_again(self) -> None:
        """Look now if space is short, as others may make room; else after the next commit."""
        if self.shortage is None:
            self._unsubscribe = self._store.on_commit(self._look_soon)
        else:
            self._look = asyncio.get_running_loop().create_task(self._run(), name="disk reserve")

    async def look(self) -> None:
        """Look at the free space now."""
        try:
            free = await self._store.free_bytes()
        except OSError as error:
            logger.warning("the free space for %s is unknown: %s", self._store.path, error)
            return
        is_short = free < self._reserve
        if is_short is not (self.shortage is not None):
            self.shortage = Shortage(free, self._reserve) if is_short else None
            self._subscribers.notify(self.shortage)
