"""Builds of agents' containers at a request, which a stop overtakes."""

from __future__ import annotations

import asyncio

from attrs import define

from hive.errors import ConflictError
from hive.event_log import EventKind
from hive.machines.runtime import NotReloadedError
from hive.participants.agent_actor import AgentServices
from hive.participants.participant import Agent


@define(eq=False)
class _Rebuild:
    """A build that is under way, and whether a stop has come since it began."""

    build: asyncio.Future[None]
    is_superseded: bool = False


class Rebuilds:
    """Builds agents' systems, until a stop of the agent.

    Args:
        services: The objects of the hive that it uses.
    """

    def __init__(self, services: AgentServices) -> None:
        self._services = services
        self._under_way: dict[str, list[_Rebuild]] = {}

    async def build(self, agent: Agent) -> str | None:
        """Build the system of an agent's container, which runs on meanwhile.

        Returns:
            What the running container did not apply of it, as a sentence; None for nothing. The
            next start applies all.

        Raises:
            ConflictError: The agent was stopped meanwhile.
            FailedError: The build failed; nothing has changed.
        """
        services = self._services
        work = asyncio.ensure_future(services.runtime.update(services.spec_of(agent)))
        rebuild = _Rebuild(work)
        self._under_way.setdefault(agent.name, []).append(rebuild)
        try:
            notice = await self._outcome(agent, rebuild)
        finally:
            self._remove(agent.name, rebuild)
        if rebuild.is_superseded:
            raise _superseded(agent)
        return notice

    def supersede(self, name: str, *, cancel: bool) -> None:
        """Let the builds of an agent that is stopped start nothing; with `cancel`, end them."""
        for rebuild in self._under_way.get(name, ()):
            rebuild.is_superseded = True
            if cancel:
                rebuild.build.cancel()

    async def _outcome(self, agent: Agent, rebuild: _Rebuild) -> str | None:
        try:
            await rebuild.build
        except NotReloadedError as error:
            self._services.events.record(EventKind.TROUBLE, agent.name, what=str(error))
            return str(error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if rebuild.is_superseded and not (task and task.cancelling()):
                raise _superseded(agent) from None
            raise
        return None

    def _remove(self, name: str, rebuild: _Rebuild) -> None:
        self._under_way[name].remove(rebuild)
        if not self._under_way[name]:
            del self._under_way[name]


def _superseded(agent: Agent) -> ConflictError:
    return ConflictError(f"{agent.name!r} was stopped by another request meanwhile")
