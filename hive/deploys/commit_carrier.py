"""The steps by which a commit becomes what an agent is.

What the agent was before is stored with the deploy before anything of it is changed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

import attrs
from attrs import frozen

from hive.deploys import tidying
from hive.deploys.carriers import DeployServices, Save, destroyed
from hive.errors import ConflictError, HiveError
from hive.flakes.flake_texts import Pin
from hive.flakes.meta_flake import MetaFlake
from hive.participants.participant import Agent, manifest_columns
from hive.store import ParticipantOrigin
from hive.store import deploys as table
from hive.store.approvals import open_numbers
from hive.store.deploys import Deploy

logger = logging.getLogger(__name__)

_RESTORED = ("manifest", "origin", "applied", "description", "broadcast")
"""Columns of a participant's record that a deploy changes."""


@frozen
class _Flake:
    """The flake of the hive, and what of a commit it builds."""

    meta: MetaFlake
    pin: Pin


@frozen
class CommitCarrier:
    """Carries out deploys of a commit of one agent; implements `hive.deploys.carriers.Carrier`.

    Attributes:
        services: The objects of the hive that it uses.
        save: Puts a deploy on disk.
        open_of: Returns the deploys of an agent that have not ended.
    """

    services: DeployServices
    save: Save
    open_of: Callable[[str], Iterable[Deploy]]

    async def begin(self, deploy: Deploy) -> Deploy:
        """Note what the agent is, so that one that is destroyed meanwhile is not made anew."""
        if deploy.before is not None and self.services.agent(deploy.name) is None:
            raise destroyed(deploy)
        return self.note(deploy)

    def note(self, deploy: Deploy) -> Deploy:
        """Return a deploy with what its agent is now, if it exists."""
        agent = self.services.agent(deploy.name)
        return deploy if agent is None else attrs.evolve(deploy, before=_before(agent))

    async def build(self, deploy: Deploy) -> Deploy:
        """Check out the commit, and build what the agent will run on."""
        services = self.services
        await self._tag(deploy, "building")
        directory = services.repositories.deployed(deploy.name, deploy.sha)
        await services.repositories.applied(deploy.name).check_out(deploy.sha, directory)
        manifest = await services.proposals.manifest_of(deploy.name, deploy.sha)
        flake, on_line = await self._flake(deploy), services.printer(deploy)
        if flake is None:
            await services.lifecycle.build(deploy.name, manifest, on_line)
        else:
            names = [agent.name for agent in services.registry.agents]
            await flake.meta.build(deploy.name, flake.pin, on_line, names)
        return deploy

    async def apply(self, deploy: Deploy) -> Deploy:
        """Make the manifest of the commit that of the agent."""
        manifest = await self.services.proposals.manifest_of(deploy.name, deploy.sha)
        agent = self.services.agent(deploy.name)
        if (flake := await self._flake(deploy)) is not None:
            await flake.meta.install()
        if agent is None:
            if deploy.before is not None:
                raise destroyed(deploy)
            origin = ParticipantOrigin.REPOSITORY
            await self.services.lifecycle.add(deploy.name, manifest, origin, deploy.sha)
            return deploy
        if agent.record.applied != deploy.sha:
            if deploy.before is None:
                raise ConflictError(f"another {deploy.name!r} was created during its deploy")
            deploy = attrs.evolve(deploy, before=_before(agent))
            await self.save(deploy)
        await self.services.registry.save(
            agent,
            origin=ParticipantOrigin.REPOSITORY,
            applied=deploy.sha,
            **manifest_columns(manifest),
        )
        return deploy

    async def restart(self, deploy: Deploy) -> Deploy:
        """Restart the agent, unless the operator has stopped it."""
        is_built = await self._flake(deploy) is not None
        agent, on_line = self._agent(deploy), self.services.printer(deploy)
        await self.services.switch(agent, on_line, is_built=is_built)
        return deploy

    async def check(self, deploy: Deploy) -> Deploy:
        """Require that the agent is healthy, and that its probe succeeds."""
        await self.services.require_healthy(self._agent(deploy), self.services.printer(deploy))
        return deploy

    async def commit(self, deploy: Deploy) -> Deploy:
        """Commit the flake, tag the commit as deployed, and move `main` to it.

        A failure to tag is logged: the agent runs, and is not restarted because of a tag.
        """
        if (flake := await self._flake(deploy)) is not None:
            message = f"deploy {deploy.name}: deploy {deploy.id}, commit {deploy.sha}"
            await flake.meta.commit(message)
        try:
            await self._tag(deploy, "deployed")
            await self.services.repositories.applied(deploy.name).move_main(deploy.sha)
        except HiveError as error:
            logger.error("deploy %d: its success could not be tagged: %s", deploy.id, error)  # noqa: TRY400
        return deploy

    async def roll_back(self, deploy: Deploy) -> Deploy:
        """Make the agent what it was before; a new one is removed, its files and mail stay."""
        agent = self.services.agent(deploy.name)
        if (flake := await self._flake(deploy)) is not None:
            await flake.meta.restore()
        if agent is None:
            return deploy
        if deploy.before is None:
            if agent.record.applied == deploy.sha:
                await self.services.lifecycle.take_back(deploy.name)
            return deploy
        before: dict[str, Any] = json.loads(deploy.before)
        before["origin"] = ParticipantOrigin(before["origin"])
        await self.services.registry.save(agent, **before)
        return await self.restart(deploy)

    async def record_failure(self, deploy: Deploy) -> None:
        """Tag the commit as failed."""
        try:
            await self._tag(deploy, "failed")
        except HiveError as error:
            logger.error("deploy %d: its failure could not be tagged: %s", deploy.id, error)  # noqa: TRY400

    async def tidy(self, deploy: Deploy) -> None:
        """Remove what old deploys of the agent have left behind."""
        services, name = self.services, deploy.name
        try:
            past = await services.store.read(table.newest(1000, name))
            tags = await services.store.read(open_numbers)
        except HiveError:
            return
        agent, waiting = services.agent(name), tuple(self.open_of(name))
        in_use = tidying.InUse(
            {*map(str, tags), *(f"r{each.id}" for each in waiting)},
            tidying.commits_in_use(None if agent is None else agent.record.applied, past, waiting),
        )
        await tidying.tidy(services.repositories, name, in_use)

    def _agent(self, deploy: Deploy) -> Agent:
        agent = self.services.agent(deploy.name)
        if agent is None:
            raise destroyed(deploy)
        return agent

    async def _flake(self, deploy: Deploy) -> _Flake | None:
        """Return the flake that a deploy builds its agent's system of; None without one."""
        meta = self.services.meta
        if meta is None:
            return None
        tag = _named(deploy, "building")
        pin = await self.services.proposals.pin_of(deploy.name, deploy.sha, tag)
        return None if pin is None else _Flake(meta, pin)

    async def _tag(self, deploy: Deploy, what: str) -> None:
        repository = self.services.repositories.applied(deploy.name)
        await repository.tag(_named(deploy, what), deploy.sha, f"{deploy.error or what}\n")


def _named(deploy: Deploy, what: str) -> str:
    """Return the name of a tag of a deploy."""
    return f"{what}/{deploy.approval}" if deploy.approval else f"{what}/r{deploy.id}"


def _before(agent: Agent) -> str:
    """Return what a deploy changes of an agent, as it is now."""
    return json.dumps({column: getattr(agent.record, column) for column in _RESTORED})
