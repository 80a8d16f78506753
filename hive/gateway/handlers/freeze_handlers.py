"""Handlers of host.sock for all agents at once: the emergency stop, its end, and the drain."""

from __future__ import annotations

from collections.abc import Sequence

from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.handlers.several import check_names
from hive.participants.freezes import FreezeOutcome
from hive.participants.participant import Agent
from hive.wire import host as wire
from hive.wire.rows import DrainRow, FreezeRow


class FreezeHandlers(OperatorConnection):
    """The verbs that act on all agents at once when none is named."""

    __slots__ = ()

    @serves(wire.Estop)
    async def _estop(self, request: wire.Estop) -> Fields:
        agents = self._agents(request.names)
        return {"agents": _rows(await self.services.freezes.estop(agents))}

    @serves(wire.Thaw)
    async def _thaw(self, request: wire.Thaw) -> Fields:
        agents = self._agents(request.names)
        if not request.names:
            agents = [agent for agent in agents if agent.is_frozen]
        return {"agents": _rows(await self.services.freezes.thaw(agents))}

    @serves(wire.Drain)
    async def _drain(self, request: wire.Drain) -> Fields:
        agents = self._agents(request.names)
        found = await self.services.drains.drain(agents, request.wait_seconds)
        return {
            "agents": [
                DrainRow(name=each.agent.name, changed=each.changed, working=each.working)
                for each in found
            ]
        }

    def _agents(self, names: Sequence[str]) -> list[Agent]:
        """Return agents in the order of the tree: those of these names, or all."""
        registry = self.services.registry
        check_names(names, registry.agent)
        named = {registry.agent(name).name for name in names}
        return [agent for agent in registry.agents if not names or agent.name in named]


def _rows(outcomes: Sequence[FreezeOutcome]) -> list[FreezeRow]:
    return [
        FreezeRow(
            name=outcome.agent.name,
            changed=outcome.changed,
            state=outcome.state,
            error=outcome.error,
        )
        for outcome in outcomes
    ]
