"""The operator's socket, as an actor: once it has started, the hive answers on host.sock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Never

from actors import Actor, ExitReason
from hive.gateway.connection import Connection
from hive.gateway.listener import ADMIN_GROUP, Listener


class OperatorSocket(Actor[Never]):
    """Listens on host.sock for as long as it lives.

    Args:
        path: Where that is.
        connect: Makes the connection of who comes in.
    """

    def __init__(self, path: Path, connect: Callable[[], Connection]) -> None:
        self._listener = Listener(path, connect, group=ADMIN_GROUP)

    async def on_start(self) -> None:
        """Bind the socket."""
        await self._listener.open()

    async def on_stop(self, reason: ExitReason) -> None:
        """Close it; answers that are ready are still written."""
        await self._listener.close()

    def receive(self, message: Never) -> None:
        """Nothing is ever sent to this actor."""
