"""What carries out the steps of deploys: the interface, and the objects of the hive behind it.

The deploy queue decides which step is next and puts it on disk; a carrier does what the step is.
A daemon may be killed in any step and does it again, so each of them is idempotent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from attrs import frozen

from hive.clock import Clock
from hive.deploys.approval_tags import ApprovalTags
from hive.deploys.deploy_logs import DeployLogs
from hive.deploys.health_gate import probe, wait_until_healthy
from hive.deploys.proposals import Proposals
from hive.errors import ConflictError, FailedError
from hive.event_log import EventLog
from hive.flakes.meta_flake import MetaFlake
from hive.git.repositories import Repositories
from hive.participants.lifecycle import Lifecycle
from hive.participants.participant import Agent
from hive.participants.registry import Registry
from hive.store import Desired, Store
from hive.store.deploys import Deploy
from hive.subprocesses import OnLine

Save = Callable[[Deploy], Awaitable[None]]
"""Puts a deploy on disk in the middle of a step."""


class Carrier(Protocol):
    """Carries out the steps of deploys of one kind.

    A step returns the deploy with what it has found out. A `HiveError` fails the step.
    """

    async def begin(self, deploy: Deploy) -> Deploy:
        """Note what there is before anything changes."""
        ...

    async def build(self, deploy: Deploy) -> Deploy:
        """Build what the agents will run on; they run on."""
        ...

    async def apply(self, deploy: Deploy) -> Deploy:
        """Put the new state in the place of the old one; the agents run on."""
        ...

    async def restart(self, deploy: Deploy) -> Deploy:
        """Restart the agents with it."""
        ...

    async def check(self, deploy: Deploy) -> Deploy:
        """Require that they are healthy."""
        ...

    async def commit(self, deploy: Deploy) -> Deploy:
        """Record the success."""
        ...

    async def roll_back(self, deploy: Deploy) -> Deploy:
        """Return to what was before."""
        ...

    async def record_failure(self, deploy: Deploy) -> None:
        """Record that it failed."""
        ...

    async def tidy(self, deploy: Deploy) -> None:
        """Remove what old deploys have left behind, after one has ended."""
        ...


@frozen
class DeployServices:
    """The objects of the hive that deploys use."""

    repositories: Repositories
    proposals: Proposals
    lifecycle: Lifecycle
    registry: Registry
    store: Store
    events: EventLog
    clock: Clock
    logs: DeployLogs
    tags: ApprovalTags
    meta: MetaFlake | None = None

    def printer(self, deploy: Deploy) -> OnLine:
        """Return what takes the lines of the output of a deploy."""
        return partial(self.logs.add_output, deploy.id)

    def agent(self, name: str) -> Agent | None:
        """Return an agent; None if there is none of that name any more."""
        return self.registry.agent(name) if name in self.registry else None

    async def switch(self, agent: Agent, on_line: OnLine, *, is_built: bool) -> None:
        """Restart an agent, unless the operator has stopped it.

        Args:
            agent: The agent.
            on_line: Takes the lines of its container's switch.
            is_built: Whether a system was built, to which its container switches.

        Raises:
            FailedError: It could not be started.
        """
        if is_built:
            await self.lifecycle.build(agent.name, agent.settings, on_line)
        await self.lifecycle.apply(agent.name)

    async def require_healthy(self, agent: Agent, on_line: OnLine) -> None:
        """Require that an agent is healthy and that its probe succeeds, unless it is stopped.

        Raises:
            FailedError: It is not, with what it lacks.
            ConflictError: It was destroyed meanwhile.
        """
        await wait_until_healthy(self.registry, agent)
        if agent.record.desired is Desired.STOPPED:
            on_line(f"you have stopped {agent.name}; it is not started")
            return
        runtime, machine = self.lifecycle.machine_of(agent)
        try:
            await probe(runtime, machine, agent.settings, on_line)
        except FailedError:
            if agent.record.desired is Desired.RUNNING:  # not ended by a stop
                raise


def destroyed(deploy: Deploy) -> ConflictError:
    """Return the error of a deploy whose agent is gone."""
    return ConflictError(f"{deploy.name!r} was destroyed during its deploy")
