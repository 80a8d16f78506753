"""Handlers of the manager's socket: those of an agent, and the lifecycle of other agents."""

from __future__ import annotations

from typing import ClassVar

from hive.deploys.proposals import Proposal
from hive.errors import ConflictError, NotAllowedError
from hive.gateway.dispatch import Fields, Large, serves
from hive.gateway.handlers.manager_asks import ManagerAskHandlers
from hive.gateway.rows import restarted_fields
from hive.names import MANAGER_ALIAS
from hive.wire import agent as wire
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.host import HostRequest


class ManagerConnection(ManagerAskHandlers):
    """A connection to the manager's socket."""

    __slots__ = ()

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(
        wire.ManagerRequest, {"the operator": HostRequest}
    )

    def _other(self, name: str) -> str:
        if name in {self.participant.name, MANAGER_ALIAS}:
            raise NotAllowedError(
                "the manager cannot stop or restart itself; ask the operator, who can"
            )
        return name

    @serves(wire.KillAgent)
    async def _kill(self, request: wire.KillAgent) -> Fields:
        await self.control.lifecycle.stop(self._other(request.name))
        return {}

    @serves(wire.StartAgent)
    async def _start(self, request: wire.StartAgent) -> Fields:
        await self.control.lifecycle.start(self._other(request.name))
        return {}

    @serves(wire.RestartAgent)
    async def _restart(self, request: wire.RestartAgent) -> Fields:
        await self.control.lifecycle.restart(self._other(request.name))
        return restarted_fields(await self.control.not_in_force(request.name))

    @serves(wire.UpdateAgent)
    async def _update(self, request: wire.UpdateAgent) -> Fields:
        notice = await self.control.lifecycle.rebuild(self._other(request.name))
        further = restarted_fields(await self.control.not_in_force(request.name))
        return {**further, "notice": notice}

    @serves(wire.RequestSpawnAgent)
    async def _request_spawn(self, request: wire.RequestSpawnAgent) -> Fields:
        if request.name in self.services.registry:
            raise ConflictError(
                f"there is a participant {request.name!r} already; 'request_apply_commit' proposes "
                "a new configuration of an agent"
            )
        return await self._propose(request.name, request)

    @serves(wire.RequestApplyCommit)
    async def _request_apply_commit(self, request: wire.RequestApplyCommit) -> Fields:
        return await self._propose(self.services.registry.agent(request.agent).name, request)

    async def _propose(self, name: str, request: wire.RequestChange) -> Fields:
        proposal = Proposal(
            name,
            request.commit_ref,
            self.participant.name,
            request.description,
            request.ttl_seconds,
            request.on_expiry,
            self.origin,
        )
        return {"approval": (await self.services.proposals.propose(proposal)).id}

    @serves(wire.GetLogs)
    def _get_logs(self, request: wire.GetLogs) -> Large:
        return Large(lambda: self._read_logs(request))

    async def _read_logs(self, request: wire.GetLogs) -> Fields:
        return {"lines": await self.control.logs.last_lines(request.name, request.lines)}
