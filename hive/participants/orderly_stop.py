"""The orderly stop: all agents at once, when the daemon ends."""

from __future__ import annotations

import asyncio
import logging

from hive.errors import HiveError, UnavailableError
from hive.machines.runtime import Runtime
from hive.participants.participant import Agent, OnExit
from hive.participants.registry import Registry
from hive.participants.supervision import Supervision
from hive.quantities import counted
from hive.store import Desired

logger = logging.getLogger(__name__)

NAMED = 5
"""Most agents that the progress names; the others are counted."""


class OrderlyStop:
    """Stops the agents in parallel, each within its own stop timeout; can be turned into a kill.

    The desired state of the agents stays: the next daemon starts them. From its begin on no agent
    is started, by a request or by a deploy that is under way.

    Args:
        registry: The agents.
        supervision: Their actors.
        runtime: Their machines.
    """

    def __init__(self, registry: Registry, supervision: Supervision, runtime: Runtime) -> None:
        self._registry = registry
        self._supervision = supervision
        self._runtime = runtime
        self._on_exit = OnExit.STOP
        self._left: dict[str, Agent] = {}
        self._total = 0
        self._began_at: float | None = None
        self._kills: set[asyncio.Task[None]] = set()

    @property
    def progress(self) -> str | None:
        """How far it is, as a sentence; None before it begins."""
        if self._began_at is None:
            return None
        gone = self._total - len(self._left)
        ended = f"stopping: {gone} of {counted(self._total, 'agent')} ended"
        if not self._left:
            return ended
        names = list(self._left)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        seconds = asyncio.get_running_loop().time() - self._began_at
        return f"{ended}, waiting for {', '.join(names[:NAMED])}{more} {seconds:.0f} s"

    async def run(self) -> None:
        """Stop all agents; returns when the last has ended."""
        self._began_at = asyncio.get_running_loop().time()
        self._supervision.refuse_starts(self.refusal)
        agents = [each for each in self._registry.agents if _is_up(each)]
        self._left, self._total = {each.name: each for each in agents}, len(agents)
        await asyncio.gather(*map(self._stop, agents))

    def kill(self) -> list[str]:
        """Kill the agents that have not ended, now or when it begins; return their names."""
        self._on_exit = OnExit.KILL
        for agent in self._left.values():
            agent.on_exit = OnExit.KILL
            task = asyncio.ensure_future(self._kill(agent))
            self._kills.add(task)
            task.add_done_callback(self._kills.discard)
        return list(self._left)

    def refusal(self) -> UnavailableError:
        """Return the error of a request that would start or change an agent."""
        return UnavailableError(
            f"hive-c0re is {self.progress or 'stopping'}; this can be done after the next "
            "'hive-c0re serve'"
        )

    async def _stop(self, agent: Agent) -> None:
        try:
            # A restart under way must not start the agent after its stop.
            async with agent.lifecycle_lock:
                agent.on_exit = self._on_exit
                await self._supervision.terminate(agent)
        except Exception:
            logger.exception("%s was not stopped", agent.name)
        finally:
            del self._left[agent.name]

    async def _kill(self, agent: Agent) -> None:
        try:
            await self._runtime.kill(agent.name)
        except HiveError as error:
            logger.warning("%s was not killed: %s", agent.name, error)


def _is_up(agent: Agent) -> bool:
    return agent.is_up or agent.record.desired is Desired.RUNNING
