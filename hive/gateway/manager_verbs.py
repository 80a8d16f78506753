"""What the manager's socket answers: an agent's verbs and the care of the other agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hive.core.lifecycle import Lifecycle
from hive.core.machine_logs import MachineLogs
from hive.errors import NotAllowedError
from hive.gateway.agent_verbs import AgentServices, AgentVerbs
from hive.gateway.answers import Answer, Fields
from hive.names import MANAGER_ALIAS
from hive.participants.members import Member
from hive.store import Origin
from hive.wire import manager as wire
from hive.wire.base import Request


class ManagerVerbs:
    """The verbs of one connection to the manager's socket."""

    def __init__(
        self,
        member: Member,
        origin: Origin,
        services: AgentServices,
        lifecycle: Lifecycle,
        logs: MachineLogs,
    ) -> None:
        self._own = AgentVerbs(member, origin, services)
        self._member = member
        self._lifecycle = lifecycle
        self._logs = logs
        self._table: Mapping[type[Request], Callable[[Any], Answer]] = {
            wire.KillAgent: self._kill,
            wire.StartAgent: self._start,
            wire.RestartAgent: self._restart,
            wire.UpdateAgent: self._update,
            wire.GetLogs: self._get_logs,
            wire.RequestSpawn: self._request,
            wire.RequestApplyCommit: self._request,
        }

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        care = self._table.get(type(request))
        return care(request) if care is not None else self._own.handle(request)

    def close(self) -> None:
        """Give back what this connection had leased."""
        self._own.close()

    def _other(self, name: str) -> str:
        if name in {self._member.name, MANAGER_ALIAS}:
            raise NotAllowedError(
                "the manager cannot stop or restart itself; ask the operator, who can"
            )
        return name

    async def _kill(self, request: wire.KillAgent) -> Fields:
        await self._lifecycle.stop(self._other(request.name))
        return {}

    async def _start(self, request: wire.StartAgent) -> Fields:
        await self._lifecycle.start(self._other(request.name))
        return {}

    async def _restart(self, request: wire.RestartAgent) -> Fields:
        await self._lifecycle.restart(self._other(request.name))
        return {}

    async def _update(self, request: wire.UpdateAgent) -> Fields:
        await self._lifecycle.rebuild(self._other(request.name))
        return {}

    def _request(self, request: wire.RequestSpawn | wire.RequestApplyCommit) -> Fields:
        raise NotAllowedError(
            "this hive has no approvals yet, so nothing was requested; "
            f"tell the operator with 'ask' what you want of {request.name!r} and why"
        )

    async def _get_logs(self, request: wire.GetLogs) -> Fields:
        return {"lines": await self._logs.last_lines(request.name, request.lines)}
