"""The operator's socket, as an actor: once it has started, the hive answers on host.sock."""

from __future__ import annotations

import asyncio
from typing import Never

from actors import Actor, ExitReason
from hive.gateway.answers import Fields
from hive.gateway.connection import Connection
from hive.gateway.flusher import Flusher
from hive.gateway.host_verbs import HostServices, HostVerbs
from hive.gateway.listener import ADMIN_GROUP, Listener
from hive.gateway.origin import origin_of
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.host import HostRequest

HOST_DECODER: RequestDecoder[Request] = RequestDecoder(HostRequest)


class HostGate(Actor[Never]):
    """Listens on host.sock for as long as it lives."""

    def __init__(self, services: HostServices, running: set[asyncio.Task[Fields]]) -> None:
        self._services = services
        self._running = running
        self._flusher = Flusher()
        self._listener = Listener(services.paths.host_socket, self._connection, group=ADMIN_GROUP)

    async def on_start(self) -> None:
        """Bind the socket."""
        await self._listener.open()

    async def on_stop(self, reason: ExitReason) -> None:
        """Close it; answers that are ready are still written."""
        await self._listener.close()

    def receive(self, message: Never) -> None:
        """Nothing is ever sent to this actor."""

    def _connection(self) -> Connection[Request]:
        return Connection(HOST_DECODER, self._verbs, self._running, self._flusher)

    def _verbs(self, transport: asyncio.BaseTransport) -> HostVerbs:
        path = str(self._services.paths.host_socket)
        return HostVerbs(origin_of(transport, path), self._services)
