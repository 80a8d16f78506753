"""Lifecycle of agents, and registration of peers, as the operator or the manager requests.

The desired state comes first. `stop` writes "stopped" to disk before it touches anything, so that
no crash, back-off or restart of the daemon can start the agent again; `start` likewise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from hive.broker.service import BrokerService
from hive.broker.values import RemoveInbox
from hive.clock import Clock
from hive.config import AgentManifest, manifest_from_json
from hive.errors import (
    ConfigError,
    ConflictError,
    FailedError,
    HiveError,
    NotAllowedError,
    TimedOutError,
)
from hive.event_log import EventKind, EventLog
from hive.exits import Ended
from hive.machines.runtime import Running
from hive.names import MANAGER, check_agent_name, check_peer_name, check_unit_name
from hive.participants.agent_actor import AgentServices
from hive.participants.participant import (
    Agent,
    LastEnd,
    OnExit,
    Participant,
    Peer,
    new_agent,
    new_peer,
    peer_settings,
)
from hive.participants.registry import Registry
from hive.participants.supervision import Supervision
from hive.store import Desired, ParticipantRecord, Store

START_DEADLINE = 30.0
"""Seconds that a request waits for the container or the socket before it times out."""


class Lifecycle:
    """Starts, stops, restarts, rebuilds and destroys agents; registers and unregisters peers.

    Args:
        supervision: Starts and terminates the participants' actors.
        services: The objects of the hive that it uses, those of agents' actors.
        store: Stores and deletes the records of participants.
        clock: Wall time.
    """

    def __init__(
        self,
        supervision: Supervision,
        services: AgentServices,
        store: Store,
        clock: Clock,
    ) -> None:
        self._supervision = supervision
        self._services = services
        self._store = store
        self._clock = clock

    @property
    def _registry(self) -> Registry:
        return self._services.registry

    @property
    def _events(self) -> EventLog:
        return self._services.events

    @property
    def _broker(self) -> BrokerService:
        return self._services.broker

    async def spawn(self, name: str, manifest: AgentManifest) -> Agent:
        """Create an agent and start it; returns when its container runs.

        Raises:
            ConflictError: When the name is taken.
            ConfigError: When the manifest is invalid.
            FailedError: When the container could not be started; the agent exists nevertheless, and
                its restart policy applies.
        """
        check_agent_name(name)
        if name in self._registry:
            raise _taken(self._registry.get(name))
        record = new_agent(name, manifest, self._clock.now())
        manifest_from_json(record.manifest)  # refused here rather than at each start
        participant = await self._add(record)
        assert isinstance(participant, Agent)
        self._events.record(EventKind.SPAWNED, name)
        await self._supervision.start_agent(participant)
        await wait_until_running(self._registry, participant)
        return participant

    async def _add(self, record: ParticipantRecord) -> Participant:
        """Add a new participant to the registry and the store, without starting its actor."""
        participant = self._registry.join(record)  # first: from here on the name is taken
        try:
            await self._store.upsert_participant(record)
        except HiveError:
            self._registry.leave(participant)
            raise
        self._broker.add_participant(participant.record)
        return participant

    async def start(self, name: str) -> None:
        """Start an agent from any state; returns when its container runs."""
        participant = self._registry.agent(name)
        await self._registry.save(participant, desired=Desired.RUNNING)
        async with participant.lifecycle_lock:
            self._check_not_superseded(participant, Desired.RUNNING)
            await self._supervision.ensure_started(participant)
        await wait_until_running(self._registry, participant)

    async def stop(self, name: str, *, force: bool = False) -> None:
        """Stop an agent until it is started again; returns when its container has ended.

        Args:
            name: The agent.
            force: Kill at once, also while a graceful stop is under way.
        """
        participant = self._registry.agent(name)
        await self._registry.save(participant, desired=Desired.STOPPED)
        if force and participant.lifecycle_lock.locked():
            await self._services.runtime.kill(participant.name)
        async with participant.lifecycle_lock:
            self._check_not_superseded(participant, Desired.STOPPED)
            await self._terminate(participant, OnExit.KILL if force else OnExit.STOP)
            self._broker.add_participant(participant.record)  # a stopped agent gets no broadcasts

    async def restart(self, name: str) -> None:
        """Stop an agent gracefully and start it with its present manifest."""
        participant = self._registry.agent(name)
        await self._registry.save(participant, desired=Desired.RUNNING)
        async with participant.lifecycle_lock:
            self._check_not_superseded(participant, Desired.RUNNING)
            await self._terminate(participant, OnExit.STOP)
            self._check_not_superseded(participant, Desired.RUNNING)
            await self._supervision.ensure_started(participant)
        await wait_until_running(self._registry, participant)

    async def rebuild(self, name: str) -> None:
        """Rebuild the image of an agent's container, then restart the agent.

        The agent runs on during the build, and also when the build fails.

        Raises:
            FailedError: The build failed, or the agent could not be restarted.
        """
        participant = self._registry.agent(name)
        await self._services.runtime.update(self._services.spec_of(participant))
        await self.restart(name)

    def destroyable(self, name: str) -> Agent:
        """Return the agent that `destroy` removes.

        Raises:
            UnknownNameError: There is no such participant.
            NotAllowedError: It is a peer, or the manager.
        """
        participant = self._registry.agent(name)
        if participant.name == MANAGER:
            raise NotAllowedError(
                f"{MANAGER!r} is the manager of this hive and cannot be destroyed; "
                "take [manager] out of hive.toml instead"
            )
        return participant

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Remove an agent; with `purge` also its files and its mail. Errors: see `destroyable`."""
        participant = self.destroyable(name)
        await self._registry.save(participant, desired=Desired.STOPPED)
        async with participant.lifecycle_lock:
            self._check_not_superseded(participant, Desired.STOPPED)
            await self._terminate(participant, OnExit.STOP)
            await self._supervision.delete(participant)
            await self._services.runtime.destroy(name, purge=purge)
            if purge:
                await self._services.sockets.purge(name)
            await self._broker.ask(RemoveInbox(name, force=True, purge=purge))
            await self._remove(participant, purge=purge)
        self._events.record(EventKind.DESTROYED, name, purge=purge)

    async def set_paused(self, name: str, *, paused: bool) -> None:
        """Pause or resume the delivery of an agent's mail; durable, also for stopped agents."""
        participant = self._registry.agent(name)
        await self._registry.save(participant, paused=paused)
        self._broker.pause_inbox(participant.name, paused=paused)
        self._events.record(EventKind.PAUSED if paused else EventKind.RESUMED, participant.name)

    async def register_peer(
        self,
        name: str,
        *,
        broadcast: bool = False,
        description: str | None = None,
        observe: str | None = None,
    ) -> Peer:
        """Add a peer, or change the settings of one; returns when its socket listens."""
        check_peer_name(name)
        if observe:
            check_unit_name(observe)
        settings = peer_settings(observe)
        if name in self._registry:
            participant = self._registry.peer(name)
            await self._registry.save(
                participant, broadcast=broadcast, description=description, manifest=settings
            )
            self._broker.add_participant(participant.record)
            await wait_until_listening(self._registry, participant)
            return participant
        record = new_peer(
            name,
            self._clock.now(),
            broadcast=broadcast,
            description=description,
            observe=observe,
        )
        joined = await self._add(record)
        assert isinstance(joined, Peer)
        await self._supervision.start_peer(joined)
        await wait_until_listening(self._registry, joined)
        self._events.record(EventKind.PEER_REGISTERED, name)
        return joined

    async def unregister_peer(self, name: str, *, force: bool = False) -> None:
        """Remove a peer; its mail stays in the store.

        Raises:
            ConflictError: When it has unread mail and `force` is not given.
        """
        participant = self._registry.peer(name)
        await self._broker.ask(RemoveInbox(name, force=force))
        await self._supervision.terminate(participant)
        await self._supervision.delete(participant)
        await self._remove(participant)
        self._events.record(EventKind.PEER_UNREGISTERED, name)

    async def report_strays(self) -> None:
        """Record containers that run although their agent is stopped; the operator decides."""
        found = await self._services.runtime.running()
        for agent in self._registry.agents:
            if agent.record.desired is Desired.STOPPED and agent.name in found:
                await self._watch_stray(agent)

    async def _watch_stray(self, agent: Agent) -> None:
        """Record a stray, and watch for its end."""

        def on_end(ended: Ended) -> None:
            agent.stray, agent.ended = False, LastEnd.of(ended)
            self._registry.changed(agent)

        agent.stray = True
        with suppress(ConfigError):  # no spec, no watch: its manifest is invalid
            spec = self._services.spec_of(agent)
            agent.stray = await self._services.runtime.adopt(spec, on_end) is not None
        if agent.stray:
            self._events.record(EventKind.STRAY, agent.name)

    def record_external_restart(self, name: str, running: Running) -> None:
        """Record the restart of an agent's container by another program; it is not counted."""
        if name in self._registry:
            agent = self._registry.agent(name)
            agent.running = running
            agent.record_restart(running.since, "another program restarted it")
            self._events.record(EventKind.EXTERNAL_RESTART, name, pid=running.pid)
            self._registry.changed(agent)

    def set_on_exit(self, on_exit: OnExit) -> None:
        """Set what all agents' actors do with their containers when the daemon ends."""
        for agent in self._registry.agents:
            agent.on_exit = on_exit

    async def _terminate(self, participant: Agent, on_exit: OnExit) -> None:
        participant.on_exit = on_exit
        await self._supervision.terminate(participant)
        await self._end_stray(participant, on_exit)
        self._registry.changed(participant)

    async def _end_stray(self, participant: Agent, on_exit: OnExit) -> None:
        """End a container that no actor owns: during a back-off, or a stray."""
        runtime = self._services.runtime
        if participant.name in await runtime.running():
            deadline = 0.0 if on_exit is OnExit.KILL else participant.settings.stop_timeout
            ended = await runtime.stop(participant.name, deadline=deadline)
            participant.ended = LastEnd.of(ended) if ended is not None else participant.ended
        participant.running = None
        participant.stray = False

    async def _remove(self, participant: Participant, *, purge: bool = False) -> None:
        self._registry.leave(participant)  # first: from here on its record is not saved again
        await self._store.delete_participant(participant.name, purge=purge)

    def _check_not_superseded(self, participant: Agent, desired: Desired) -> None:
        """Raise ConflictError when a newer request has changed the desired state."""
        if participant.name not in self._registry:
            raise ConflictError(f"{participant.name!r} was destroyed by another request meanwhile")
        if participant.record.desired is not desired:
            done = "started" if desired is Desired.STOPPED else "stopped"
            raise ConflictError(f"{participant.name!r} was {done} by another request meanwhile")


def _taken(participant: Participant) -> ConflictError:
    """Return the error of a spawn whose name is taken, with what the operator can do."""
    name = participant.name
    if isinstance(participant, Peer):
        way = f"'hive-c0re unregister-peer {name}' takes that peer out of the routing"
    else:
        way = (
            f"'hive-c0re start {name}' starts an agent that is stopped, "
            f"'hive-c0re destroy {name}' removes it"
        )
    return ConflictError(f"there is already a participant {name!r}; {way}")


async def wait_until_running(registry: Registry, agent: Agent) -> None:
    """Wait until an agent's container runs.

    Raises:
        ConflictError: When another request has stopped it meanwhile.
        FailedError: When it could not be started.
        TimedOutError: When it does not run after `START_DEADLINE` seconds.
    """
    await _wait_until(registry, agent, lambda: agent.running is not None, "its container runs")


async def wait_until_listening(registry: Registry, peer: Peer) -> None:
    """Wait until a peer's socket listens; raises like `wait_until_running`."""
    await _wait_until(registry, peer, lambda: peer.is_listening, "its socket listens")


async def _wait_until(
    registry: Registry, participant: Participant, holds: Callable[[], bool], condition: str
) -> None:
    changed = asyncio.Event()
    unsubscribe = registry.subscribe(lambda each: changed.set() if each is participant else None)
    try:
        async with asyncio.timeout(START_DEADLINE):
            while not holds():
                _raise_failure(participant)
                changed.clear()
                await changed.wait()
    except TimeoutError:
        raise TimedOutError(
            f"{participant.name!r} is not up after {START_DEADLINE:g} s; not yet true: "
            f"{condition}; 'hive-c0re status {participant.name}' shows what it waits for"
        ) from None
    finally:
        unsubscribe()


def _raise_failure(participant: Participant) -> None:
    if participant.record.desired is Desired.STOPPED:
        raise ConflictError(f"{participant.name!r} was stopped by another request while it started")
    if participant.start_error is not None:
        raise FailedError(f"{participant.name!r} could not be started: {participant.start_error}")
