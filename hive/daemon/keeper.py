"""The store as an actor: the first to start and the last to stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Never

from actors import Actor, ExitReason
from hive.store import Store


class StoreKeeper(Actor[Never]):
    """Keeps the store open for as long as it lives.

    Args:
        store: What is opened.
        opened: Called after each opening, before anything else starts.
    """

    def __init__(self, store: Store, opened: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._opened = opened

    async def on_start(self) -> None:
        """Open the store and read from it what the others need to start."""
        await self._store.open()
        try:
            await self._opened()
        except BaseException:
            await self._store.close()
            raise

    async def on_stop(self, reason: ExitReason) -> None:
        """Commit what waits and close the file."""
        await self._store.close()

    def receive(self, message: Never) -> None:
        """Nothing is ever sent to this actor."""
