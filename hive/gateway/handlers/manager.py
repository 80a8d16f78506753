"""Handlers of the manager's socket: those of an agent, and the lifecycle of other agents."""

from __future__ import annotations

from typing import ClassVar

from hive.errors import NotAllowedError
from hive.gateway.connection import GatewayContext
from hive.gateway.dispatch import Fields, Large, serves
from hive.gateway.handlers.agent import AgentConnection
from hive.gateway.handlers.services import ParticipantServices
from hive.names import MANAGER_ALIAS
from hive.participants.lifecycle import Lifecycle
from hive.participants.participant import Participant
from hive.status.snapshot import MachineLogs
from hive.wire import agent as wire
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder


class ManagerConnection(AgentConnection):
    """A connection to the manager's socket."""

    __slots__ = ("_lifecycle", "_logs")

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(wire.ManagerRequest)

    def __init__(
        self,
        participant: Participant,
        path: str,
        context: GatewayContext,
        services: ParticipantServices,
        *,
        lifecycle: Lifecycle,
        logs: MachineLogs,
    ) -> None:
        super().__init__(participant, path, context, services)
        self._lifecycle = lifecycle
        self._logs = logs

    def _other(self, name: str) -> str:
        if name in {self.participant.name, MANAGER_ALIAS}:
            raise NotAllowedError(
                "the manager cannot stop or restart itself; ask the operator, who can"
            )
        return name

    @serves(wire.KillAgent)
    async def _kill(self, request: wire.KillAgent) -> Fields:
        await self._lifecycle.stop(self._other(request.name))
        return {}

    @serves(wire.StartAgent)
    async def _start(self, request: wire.StartAgent) -> Fields:
        await self._lifecycle.start(self._other(request.name))
        return {}

    @serves(wire.RestartAgent)
    async def _restart(self, request: wire.RestartAgent) -> Fields:
        await self._lifecycle.restart(self._other(request.name))
        return {}

    @serves(wire.UpdateAgent)
    async def _update(self, request: wire.UpdateAgent) -> Fields:
        await self._lifecycle.rebuild(self._other(request.name))
        return {}

    @serves(wire.GetLogs)
    def _get_logs(self, request: wire.GetLogs) -> Large:
        return Large(lambda: self._read_logs(request))

    async def _read_logs(self, request: wire.GetLogs) -> Fields:
        return {"lines": await self._logs.last_lines(request.name, request.lines)}
