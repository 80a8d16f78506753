"""Moves: an agent becomes a peer (release), a peer an agent (adoption), in place.

    agent ── release ──> peer          its container runs on, and others own it
    peer ─── adopt ────> agent         with a manifest; its container is taken over, or a new one

One write is the commit point. Before it, the participant is what it was; the next daemon finds it
so and adopts its container as ever. After it, it is the other; the next daemon starts it as that,
and removes what the hive had written about the container of a peer.

The actor ends first, and with it the socket and all sessions: what they held is delivered again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from attrs import frozen

from hive.clock import Clock
from hive.config import AgentManifest, HiveConfig
from hive.errors import ConflictError, FailedError, HiveError
from hive.event_log import EventKind, EventLog
from hive.names import OPERATOR
from hive.participants import moving
from hive.participants.agent_actor import AgentServices
from hive.participants.participant import Agent, OnExit, Participant, Peer
from hive.participants.registry import Registry, participant_of
from hive.participants.start_waits import check_member, wait_until_listening, wait_until_running
from hive.participants.supervision import Supervision
from hive.store import NO_ORIGIN, Origin, ParticipantRecord, Store, deploys
from hive.store.audit import AuditEntry
from hive.store.move_rows import finished, move, unfinished

ReadHiveToml = Callable[[], Awaitable[HiveConfig]]
"""Returns hive.toml as it is now, or the configuration in force if it cannot be used."""


@frozen
class MoveServices:
    """The objects of the hive that moves use."""

    supervision: Supervision
    services: AgentServices
    store: Store
    clock: Clock
    read_config: ReadHiveToml

    @property
    def registry(self) -> Registry:
        """The participants."""
        return self.services.registry

    @property
    def events(self) -> EventLog:
        """The event log."""
        return self.services.events

    async def require_no_deploy(self, name: str) -> None:
        """Raise ConflictError while a deploy of an agent has not ended."""
        for deploy in await self.store.read(deploys.open_deploys):
            if name in deploy.members:
                raise ConflictError(
                    f"deploy {deploy.id} of {name!r} has not ended ({deploy.step.value}); wait for "
                    f"it, or 'hive-c0re deploys --cancel {deploy.id}'"
                )

    def entry(
        self, verb: str, name: str, *, origin: Origin, by: str = OPERATOR, reason: str | None = None
    ) -> AuditEntry:
        """Return the entry of the audit about something that is done now."""
        now = self.clock.now()
        return AuditEntry(
            now, verb, done=True, subject=name, actor=by, origin=origin, reason=reason
        )

    async def restart_actor(self, participant: Participant) -> None:
        """Start the actor of a participant whose move has failed."""
        await self.supervision.delete(participant)
        if isinstance(participant, Peer):
            await self.supervision.start_peer(participant)
        elif isinstance(participant, Agent) and participant.is_to_run:
            await self.supervision.start_agent(participant)


@frozen
class Moved:
    """A move that is done.

    Attributes:
        unit: The unit of the container that was left to others; None if there is none.
        advice: What the operator has to change in hive.toml; None for nothing.
    """

    unit: str | None = None
    advice: str | None = None


class Moves:
    """Releases agents and adopts peers.

    Args:
        services: The objects of the hive that it uses.
    """

    def __init__(self, services: MoveServices) -> None:
        self._services = services

    async def check_release(self, name: str) -> str | None:
        """Return the unit of the container that a release leaves to others; None without one.

        Raises:
            HiveError: See `release`; nothing is changed.
        """
        moving.require_no_peer(self._services.registry.get(name).record)
        agent = self._services.registry.agent(name)
        moving.require_no_manager(agent.name, "be released")
        unit = self._services.services.runtime.released_unit(agent.name)
        self._services.services.checks.require_thawed(agent.name)
        await self._services.require_no_deploy(agent.name)
        return unit

    async def release(self, name: str, origin: Origin = NO_ORIGIN, by: str = OPERATOR) -> Moved:
        """Make an agent a peer; its container runs on. Returns when the peer's socket listens.

        Raises:
            ConflictError: A deploy of it has not ended.
            FailedError: It is a peer, and what the hive wrote about its container is not removed
                yet; the next start of the daemon removes it.
            NotAllowedError: It is the manager or a peer, or its runtime cannot do that.
            UnknownNameError: There is no such participant.
        """
        services = self._services
        unit = await self.check_release(name)
        agent = services.registry.agent(name)
        config = await services.read_config()
        async with agent.lifecycle_lock:
            check_member(services.registry, agent)
            services.services.checks.require_thawed(agent.name)  # again: an estop may have come
            agent.on_exit = OnExit.KEEP
            record = moving.as_peer(agent.record, unit, config)
            entry = services.entry("release", agent.name, origin=origin, by=by, reason=unit)
            peer = await self._move(agent, record, entry)
            assert isinstance(peer, Peer)
            services.events.record(EventKind.RELEASED, peer.name, unit=unit)
        await self._finish(peer.name)
        await wait_until_listening(services.registry, peer)
        return Moved(unit, moving.advice_after_release(peer.name, config))

    async def adopt(
        self, name: str, manifest: AgentManifest, *, origin: Origin = NO_ORIGIN, by: str = OPERATOR
    ) -> Moved:
        """Make a peer an agent and start it; returns when its container runs. Idempotent.

        Raises:
            ConflictError: Another request has changed it meanwhile.
            ConfigError: Something that its manifest names is missing; it is still a peer.
            FailedError: It is an agent, but could not be started; its restart policy applies.
            UnknownNameError: There is no such participant.
        """
        services = self._services
        before = services.registry.get(name)
        config = await services.read_config()
        advice = moving.advice_after_adoption(name, config)
        if isinstance(before, Agent):  # an earlier daemon has done it
            await wait_until_running(services.registry, before)
            return Moved(advice=advice)
        await services.services.checks.require(name, config.agents.get(name, manifest))
        async with before.lifecycle_lock:
            check_member(services.registry, before)
            services.services.checks.require_thawed(name)  # again: an estop may have come
            record = moving.as_agent(before.record, manifest, config)
            entry = services.entry("adopt", name, origin=origin, by=by)
            agent = await self._move(before, record, entry)
            assert isinstance(agent, Agent)
            services.events.record(EventKind.PEER_ADOPTED, name)
        await wait_until_running(services.registry, agent)
        return Moved(advice=advice)

    async def finish(self) -> None:
        """Remove what an earlier daemon had written about the containers of agents it released."""
        for each in await self._services.store.read(unfinished):
            if each.before is None:
                with suppress(HiveError):  # it is recorded, and the next start tries again
                    await self._finish(each.name)

    async def _finish(self, name: str) -> None:
        """Remove what was written about a released container.

        Raises:
            FailedError: Not all of it can be removed.
        """
        registry = self._services.registry
        try:
            if not (name in registry and isinstance(registry.get(name), Agent)):
                await self._services.services.runtime.release(name)
            await self._services.store.write(finished(name))
        except HiveError as error:
            what = (
                f"{name!r} is released, but not all that was written about it is removed: {error}"
            )
            self._services.events.record(EventKind.TROUBLE, name, what=what)
            raise FailedError(f"{what}; the next start of the daemon tries again") from error

    async def _move(
        self, before: Participant, record: ParticipantRecord, entry: AuditEntry
    ) -> Participant:
        """Replace a participant by one of the other kind, and start that one's actor.

        The new one takes its place in memory before it is on disk, so that nothing can write the
        record of the old one any more. Call it with the lifecycle lock of the old one held.

        Raises:
            StoreError: Nothing has changed.
        """
        services = self._services
        await services.supervision.terminate(before)
        after = participant_of(record)
        async with after.lifecycle_lock:
            services.registry.replace(before, after)
            try:
                await services.store.write(move(record, entry))
            except HiveError:
                services.registry.replace(after, before)
                await services.restart_actor(before)
                raise
            await services.supervision.delete(before)
            services.services.broker.add_participant(record)
            if isinstance(after, Agent):
                after.start_requested = True
                await services.supervision.start_agent(after)
            elif isinstance(after, Peer):
                await services.supervision.start_peer(after)
        return after
