"""The steps by which newer inputs of the meta flake become what several agents run on.

All or nothing: the systems of all agents are built before anything changes, and if one of them is
not healthy afterwards, the lock and every agent that was switched return to what was before. Which
agents were switched is on disk before they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from attrs import evolve, frozen

from hive.deploys.carriers import DeployServices, Save
from hive.errors import ConflictError, HiveError
from hive.flakes.flake_texts import SharedInputs
from hive.flakes.lock_file import digest
from hive.flakes.meta_flake import UPDATE, CurrentFlake, MetaFlake
from hive.participants.participant import Agent
from hive.store import approvals
from hive.store.deploys import Deploy


@frozen
class InputCarrier:
    """Carries out updates of inputs; implements `hive.deploys.carriers.Carrier`.

    Attributes:
        services: The objects of the hive that it uses.
        save: Puts a deploy on disk.
    """

    services: DeployServices
    save: Save

    async def begin(self, deploy: Deploy) -> Deploy:
        """Note nothing: no manifest changes."""
        return deploy

    async def build(self, deploy: Deploy) -> Deploy:
        """Build the systems of all agents by the approved lock."""
        meta, flake = self._meta(), await self._approved(deploy)
        names = [agent.name for agent in self._agents(deploy)]
        await meta.build_locked(flake, names, self.services.printer(deploy))
        return deploy

    async def apply(self, deploy: Deploy) -> Deploy:
        """Install the lock."""
        await self._meta().install()
        return deploy

    async def restart(self, deploy: Deploy) -> Deploy:
        """Switch the agents one after the other; what you have stopped stays stopped."""
        on_line = self.services.printer(deploy)
        for agent in self._agents(deploy):
            switched = _switched(deploy)
            if agent.name not in switched:
                deploy = evolve(deploy, before=json.dumps([*switched, agent.name]))
                await self.save(deploy)
            on_line(f"restarting {agent.name}")
            await self.services.switch(agent, on_line, is_built=True)
        return deploy

    async def check(self, deploy: Deploy) -> Deploy:
        """Require that every agent is healthy, in the order of their restarts."""
        for agent in self._agents(deploy):
            await self.services.require_healthy(agent, self.services.printer(deploy))
        return deploy

    async def commit(self, deploy: Deploy) -> Deploy:
        """Commit the flake."""
        names = ", ".join(deploy.agents)
        await self._meta().commit(f"{UPDATE}{names}: deploy {deploy.id}")
        return deploy

    async def roll_back(self, deploy: Deploy) -> Deploy:
        """Restore the lock, and restart the agents that were switched.

        One that cannot be restarted does not keep the others from it.

        Raises:
            HiveError: One could not be restarted: the first error.
        """
        await self._meta().restore()
        on_line, errors = self.services.printer(deploy), []
        for agent in self._agents(deploy):
            if agent.name not in _switched(deploy):
                continue
            on_line(f"returning {agent.name} to the lock before")
            try:
                await self.services.switch(agent, on_line, is_built=True)
            except HiveError as error:
                on_line(f"{agent.name}: {error}")
                errors.append(error)
        if errors:
            raise errors[0]
        return deploy

    async def record_failure(self, deploy: Deploy) -> None:
        """Record nothing: the log of the flake has successes only."""

    async def tidy(self, deploy: Deploy) -> None:
        """Remove nothing: an update leaves nothing behind."""

    def _meta(self) -> MetaFlake:
        if self.services.meta is None:
            raise ConflictError(
                "this hive builds no NixOS systems any more; it needs git, nix and the runtime "
                "'nixos-container'"
            )
        return self.services.meta

    def _agents(self, deploy: Deploy) -> Iterator[Agent]:
        """Yield the agents of a deploy, without those that were destroyed meanwhile."""
        for name in deploy.agents:
            agent = self.services.agent(name)
            if agent is not None:
                yield agent

    async def _approved(self, deploy: Deploy) -> CurrentFlake:
        """Return the flake with the approved lock.

        Raises:
            ConflictError: The flake has changed since that was submitted.
        """
        assert deploy.approval is not None
        approval = await self.services.store.read(approvals.one(deploy.approval))
        current = await self._meta().current()
        if approval is None or current is None or digest(current.lock) != deploy.previous:
            raise ConflictError(
                "the lock has changed since this was submitted, by a deploy of an agent; submit it "
                "again with 'hive-c0re update-inputs'"
            )
        detail = json.loads(approval.detail)
        shared = SharedInputs(detail["nixpkgs"], detail.get("hyperhive"))
        inputs = evolve(current.inputs, shared=shared)
        return CurrentFlake(detail["lock"].encode(), inputs)


def _switched(deploy: Deploy) -> list[str]:
    """Return the agents whose switch has begun."""
    found: list[str] = json.loads(deploy.before or "[]")
    return found
