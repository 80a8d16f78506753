"""Participants' sockets: one door each, opened by the participant's own actor.

The manager has two: its own directory, which is mounted into its container, and manager.sock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hive.core.lifecycle import Lifecycle
from hive.core.machine_logs import MachineLogs
from hive.gateway.agent_verbs import AgentServices, AgentVerbs
from hive.gateway.answers import Fields, Verbs
from hive.gateway.connection import Connection
from hive.gateway.flusher import Flusher
from hive.gateway.listener import Listener
from hive.gateway.manager_verbs import ManagerVerbs
from hive.gateway.origin import origin_of
from hive.names import MANAGER
from hive.participants.members import Member
from hive.paths import Paths
from hive.store import Origin
from hive.wire.agent import AgentRequest
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.manager import ManagerRequest

AGENT_DECODER: RequestDecoder[Request] = RequestDecoder(AgentRequest)
MANAGER_DECODER: RequestDecoder[Request] = RequestDecoder(ManagerRequest)


class GatewayDoors:
    """Opens and closes participants' sockets.

    `serve` must be called before the first door opens: what a door answers is made of rooms that in
    turn need the doors.
    """

    def __init__(self, paths: Paths, running: set[asyncio.Task[Fields]]) -> None:
        self._paths = paths
        self._running = running
        self._flusher = Flusher()
        self._open: dict[str, tuple[Listener, ...]] = {}
        self._services: AgentServices | None = None
        self._lifecycle: Lifecycle | None = None
        self._logs: MachineLogs | None = None

    def serve(self, services: AgentServices, lifecycle: Lifecycle, logs: MachineLogs) -> None:
        """Say what connections are answered from."""
        self._services = services
        self._lifecycle = lifecycle
        self._logs = logs

    async def open(self, member: Member) -> None:
        """Listen on the participant's socket; its directory appears if it was missing."""
        await self.close(member)
        listeners = tuple(self._listeners(member))
        self._open[member.name] = listeners
        for listener in listeners:
            await listener.open()

    async def close(self, member: Member) -> None:
        """Stop listening and disconnect everyone."""
        for listener in self._open.pop(member.name, ()):
            await listener.close()

    def _listeners(self, member: Member) -> list[Listener]:
        paths = [self._paths.agent_socket(member.name)]
        if member.name == MANAGER:
            paths.append(self._paths.manager_socket)
        return [Listener(path, self._connector(member, str(path))) for path in paths]

    def _connector(self, member: Member, path: str) -> Callable[[], Connection[Request]]:
        decoder = MANAGER_DECODER if member.name == MANAGER else AGENT_DECODER

        def verbs(transport: asyncio.BaseTransport) -> Verbs[Request]:
            return self._verbs(member, origin_of(transport, path))

        return lambda: Connection(decoder, verbs, self._running, self._flusher)

    def _verbs(self, member: Member, origin: Origin) -> Verbs[Request]:
        assert self._services is not None
        assert self._lifecycle is not None
        assert self._logs is not None
        if member.name == MANAGER:
            return ManagerVerbs(member, origin, self._services, self._lifecycle, self._logs)
        return AgentVerbs(member, origin, self._services)
