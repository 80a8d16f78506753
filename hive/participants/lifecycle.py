"""The verbs: what an operator or the manager may do to agents, and what to peers.

The durable wish comes first. `stop` writes "stopped" to disk before it touches anything, so that no
crash, back-off or restart of the daemon can start the agent again; `start` likewise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Never, Protocol

from actors import ChildInfo, ChildSpec, ChildState, NoSuchChild, SupervisorRef
from hive.broker.service import BrokerService
from hive.broker.values import RemoveInbox
from hive.clock import Clock
from hive.config import AgentManifest, RestartPolicy, manifest_from_json, manifest_to_json
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
from hive.participants.agent_actor import AgentServices, MachineEnded
from hive.participants.child_specs import agent_child, peer_child, restart_delays
from hive.participants.participant import Agent, LastEnd, OnExit, Participant, Peer
from hive.participants.registry import Registry
from hive.store import Desired, Kind, ParticipantOrigin, ParticipantRecord, Store

UP_DEADLINE = 30.0
"""Seconds that `start` and its like wait for the container before they say so."""


class Supervisors(Protocol):
    """The two supervisors under which participants live."""

    @property
    def agents(self) -> SupervisorRef:
        """The supervisor of the agents."""
        ...

    @property
    def peers(self) -> SupervisorRef:
        """The supervisor of the peers."""
        ...


class Lifecycle:
    """Carries out the verbs.

    Args:
        supervisors: Where the participants' actors live.
        services: What an agent's actor is given.
        store: Where a removed participant's record goes from.
        clock: Stamps new records.
        policy: Restart policy of agents that have none of their own.
    """

    def __init__(
        self,
        supervisors: Supervisors,
        services: AgentServices,
        store: Store,
        clock: Clock,
        policy: RestartPolicy,
    ) -> None:
        self._supervisors = supervisors
        self._services = services
        self._store = store
        self._clock = clock
        self._policy = policy

    @property
    def _agents(self) -> SupervisorRef:
        return self._supervisors.agents

    @property
    def _peers(self) -> SupervisorRef:
        return self._supervisors.peers

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
            ConfigError: When the manifest cannot be used.
            FailedError: When the container could not be started; the agent exists nevertheless and
                is tried again by its restart policy.
        """
        check_agent_name(name)
        if name in self._registry:
            raise _taken(self._registry.get(name))
        record = new_agent(name, manifest, self._clock.now())
        manifest_from_json(record.manifest)  # refuses what no start could use
        participant = await self.enlist(record)
        assert isinstance(participant, Agent)
        self._events.record(EventKind.SPAWNED, name)
        await self._agents.start_child(self._child(participant), wait=False)
        await self._until_up(participant)
        return participant

    async def enlist(self, record: ParticipantRecord) -> Participant:
        """Add a new participant to the roster and write it down, without starting its actor."""
        participant = self._registry.join(record)  # first: the name is taken from now on
        try:
            await self._store.upsert_participant(record)
        except HiveError:
            self._registry.leave(participant)
            raise
        self._open_inbox(participant)
        return participant

    async def start(self, name: str) -> None:
        """Start a stopped, failed or waiting agent; returns when its container runs."""
        participant = self._registry.agent(name)
        await self._registry.save(participant, desired=Desired.RUNNING)
        async with participant.turn:
            self._check_newest(participant, Desired.RUNNING)
            await self._raise_child(participant)
        await self._until_up(participant)

    async def stop(self, name: str, *, force: bool = False) -> None:
        """Stop an agent for good; returns when its container is gone.

        Args:
            name: The agent.
            force: Kill at once in place of asking first; overtakes a graceful stop.
        """
        participant = self._registry.agent(name)
        await self._registry.save(participant, desired=Desired.STOPPED)
        if force and participant.turn.locked():
            await self._services.runtime.kill(participant.name)
        async with participant.turn:
            self._check_newest(participant, Desired.STOPPED)
            await self._lower_child(participant, OnExit.KILL if force else OnExit.STOP)
            self._open_inbox(participant)  # broadcasts pass over who is meant to be stopped

    async def restart(self, name: str) -> None:
        """Stop an agent gracefully, apply its manifest anew and start it."""
        participant = self._registry.agent(name)
        await self._registry.save(participant, desired=Desired.RUNNING)
        async with participant.turn:
            self._check_newest(participant, Desired.RUNNING)
            await self._lower_child(participant, OnExit.STOP)
            self._check_newest(participant, Desired.RUNNING)
            await self._raise_child(participant)
        await self._until_up(participant)

    async def rebuild(self, name: str) -> None:
        """Build what an agent's container is made of anew, then restart the agent.

        It goes on while it is built, and also when it does not build.

        Raises:
            FailedError: It did not build, or could not be restarted.
        """
        participant = self._registry.agent(name)
        await self._services.runtime.update(self._services.spec_of(participant))
        await self.restart(name)

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Remove an agent; with `purge` also its files and its mail."""
        participant = self._registry.agent(name)
        if participant.name == MANAGER:
            raise NotAllowedError(
                f"{MANAGER!r} is the manager of this hive and cannot be destroyed; "
                "take [manager] out of hive.toml instead"
            )
        await self._registry.save(participant, desired=Desired.STOPPED)
        async with participant.turn:
            self._check_newest(participant, Desired.STOPPED)
            await self._lower_child(participant, OnExit.STOP)
            await self._drop_child(self._agents, name)
            await self._services.runtime.destroy(name, purge=purge)
            await self._broker.ask(RemoveInbox(name, force=True, purge=purge))
            await self._forget(participant, purge=purge)
        self._events.record(EventKind.DESTROYED, name, purge=purge)

    async def set_paused(self, name: str, *, paused: bool) -> None:
        """Hold an agent's mail back, or let it flow again; durable, works on stopped agents."""
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
        """Let a participant with a lifecycle of its own join the routing.

        Its socket listens when this returns. Registering a peer again changes its settings.
        """
        check_peer_name(name)
        if observe:
            check_unit_name(observe)
        settings = peer_settings(observe)
        if name in self._registry:
            participant = self._registry.peer(name)
            await self._registry.save(
                participant, broadcast=broadcast, description=description, manifest=settings
            )
            self._open_inbox(participant)
            await self._until_listening(participant)
            return participant
        record = new_peer(
            name,
            self._clock.now(),
            broadcast=broadcast,
            description=description,
            observe=observe,
        )
        joined = await self.enlist(record)
        assert isinstance(joined, Peer)
        await self._peers.start_child(self._peer_child(joined), wait=False)
        await self._until_listening(joined)
        self._events.record(EventKind.PEER_REGISTERED, name)
        return joined

    async def unregister_peer(self, name: str, *, force: bool = False) -> None:
        """Take a peer out of the routing.

        Raises:
            ConflictError: When it has unread mail and `force` is not given.
        """
        participant = self._registry.peer(name)
        await self._broker.ask(RemoveInbox(name, force=force))
        await self._lower(self._peers, name)
        await self._drop_child(self._peers, name)
        await self._forget(participant)
        self._events.record(EventKind.PEER_UNREGISTERED, name)

    def open_inboxes(self) -> None:
        """Make every inbox known to a broker that has just started, those of stopped agents too."""
        for participant in self._registry:
            self._open_inbox(participant)

    def agent_children(self) -> tuple[ChildSpec[MachineEnded], ...]:
        """Return the child specs of all agents that shall run."""
        return tuple(
            self._child(agent)
            for agent in self._registry.agents
            if agent.record.desired is Desired.RUNNING
        )

    def peer_children(self) -> tuple[ChildSpec[Never], ...]:
        """Return the child specs of all peers."""
        return tuple(self._peer_child(peer) for peer in self._registry.peers)

    async def report_strays(self) -> None:
        """Find containers that should be stopped but run; they are left to the operator."""
        found = await self._services.runtime.running()
        for agent in self._registry.agents:
            if agent.record.desired is Desired.STOPPED and agent.name in found:
                await self._watch_stray(agent)

    async def _watch_stray(self, agent: Agent) -> None:
        """Report a stray, and hear when it ends by itself."""

        def heard(ended: Ended) -> None:
            agent.stray, agent.ended = False, LastEnd.of(ended)
            self._registry.changed(agent)

        agent.stray = True
        with suppress(ConfigError):  # of one that cannot be started again, the end is not heard
            spec = self._services.spec_of(agent)
            agent.stray = await self._services.runtime.adopt(spec, heard) is not None
        if agent.stray:
            self._events.record(EventKind.STRAY, agent.name)

    def note_replaced(self, name: str, running: Running) -> None:
        """Take it that somebody else restarted an agent's container: reported, not counted."""
        if name in self._registry:
            agent = self._registry.agent(name)
            agent.running = running
            agent.note_restart(running.since, "somebody else restarted it")
            self._events.record(EventKind.EXTERNAL_RESTART, name, pid=running.pid)
            self._registry.changed(agent)

    def set_on_exit(self, on_exit: OnExit) -> None:
        """Say what shall become of all containers when their actors end with the daemon."""
        for agent in self._registry.agents:
            agent.on_exit = on_exit

    async def info(self, participant: Participant) -> ChildInfo | None:
        """Return what the supervisor knows of a participant's actor; None when it has none."""
        try:
            return await self._supervisor(participant).child(participant.name)
        except NoSuchChild:
            return None

    async def infos(self) -> dict[str, ChildInfo]:
        """Return what the supervisors know of the actors of all participants, by name."""
        agents, peers = await self._agents.children(), await self._peers.children()
        return {info.id: info for info in (*agents, *peers)}

    def restart_delays(self, participant: Agent) -> list[float]:
        """Return the delays in seconds before an agent's restarts, as its policy says."""
        return list(restart_delays(participant, self._policy))

    def _supervisor(self, participant: Participant) -> SupervisorRef:
        return self._agents if isinstance(participant, Agent) else self._peers

    def _child(self, participant: Agent) -> ChildSpec[MachineEnded]:
        return agent_child(participant, self._services, self._policy)

    def _peer_child(self, participant: Peer) -> ChildSpec[Never]:
        return peer_child(participant, self._services)

    async def _raise_child(self, participant: Agent) -> None:
        info = await self.info(participant)
        participant.start_error = None
        participant.reboots.clear()
        match info.state if info else None:
            case None:
                await self._agents.start_child(self._child(participant), wait=False)
            case ChildState.STOPPED:
                await self._agents.replace_child(self._child(participant))
                await self._agents.restart_child(participant.name)
            case ChildState.PARKED:
                await self._agents.revive_child(participant.name)
            case ChildState.BACKOFF:
                await self._agents.terminate_child(participant.name)
                await self._agents.restart_child(participant.name)
            case _:
                pass

    async def _lower_child(self, participant: Agent, on_exit: OnExit) -> None:
        participant.on_exit = on_exit
        await self._lower(self._agents, participant.name)
        await self._end_stray(participant, on_exit)
        self._registry.changed(participant)

    async def _end_stray(self, participant: Agent, on_exit: OnExit) -> None:
        """End a container that no actor owns: one whose actor waits out a back-off, or a stray."""
        runtime = self._services.runtime
        if participant.name in await runtime.running():
            deadline = 0.0 if on_exit is OnExit.KILL else participant.settings.stop_timeout
            ended = await runtime.stop(participant.name, deadline=deadline)
            participant.ended = LastEnd.of(ended) if ended is not None else participant.ended
        participant.running = None
        participant.stray = False

    async def _lower(self, supervisor: SupervisorRef, name: str) -> None:
        with suppress(NoSuchChild):
            await supervisor.terminate_child(name)

    async def _drop_child(self, supervisor: SupervisorRef, name: str) -> None:
        with suppress(NoSuchChild):
            await supervisor.delete_child(name)

    async def _forget(self, participant: Participant, *, purge: bool = False) -> None:
        self._registry.leave(participant)  # first: nothing may write its record again
        await self._store.delete_participant(participant.name, purge=purge)

    def _open_inbox(self, participant: Participant) -> None:
        record = participant.record
        self._broker.add_inbox(
            record.name,
            record.kind,
            broadcast=record.broadcast,
            last_seen=record.last_seen,
            idle=participant.record.desired is Desired.STOPPED and record.kind is not Kind.PEER,
        )
        self._broker.pause_inbox(record.name, paused=record.paused)

    def _check_newest(self, participant: Agent, on_exit: Desired) -> None:
        """Refuse to carry out a wish that a newer request has overtaken."""
        if participant.name not in self._registry:
            raise ConflictError(f"{participant.name!r} was destroyed by another request meanwhile")
        if participant.record.desired is not on_exit:
            done = "started" if on_exit is Desired.STOPPED else "stopped"
            raise ConflictError(f"{participant.name!r} was {done} by another request meanwhile")

    async def _until_listening(self, peer: Peer) -> None:
        await self._until(peer, lambda: peer.is_listening, "its socket listens")

    async def _until_up(self, participant: Agent) -> None:
        await self._until(
            participant, lambda: participant.running is not None, "its container runs"
        )

    async def _until(
        self, participant: Participant, came_true: Callable[[], bool], what: str
    ) -> None:
        """Wait until something is true of a participant, or say why it is not."""
        changed = asyncio.Event()
        unsubscribe = self._registry.subscribe(
            lambda who: changed.set() if who is participant else None
        )
        try:
            async with asyncio.timeout(UP_DEADLINE):
                while not came_true():
                    _raise_if_hopeless(participant)
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            raise TimedOutError(
                f"{participant.name!r} is not up after {UP_DEADLINE:g} s; not yet true: {what}; "
                f"'hive-c0re status {participant.name}' shows what it waits for"
            ) from None
        finally:
            unsubscribe()


def _raise_if_hopeless(participant: Participant) -> None:
    if participant.record.desired is Desired.STOPPED:
        raise ConflictError(f"{participant.name!r} was stopped by another request while it started")
    if participant.start_error is not None:
        raise FailedError(f"{participant.name!r} could not be started: {participant.start_error}")


def new_agent(
    name: str,
    manifest: AgentManifest,
    now: float,
    *,
    origin: ParticipantOrigin = ParticipantOrigin.COMMAND,
) -> ParticipantRecord:
    """Return the record of an agent that did not exist before."""
    return ParticipantRecord(
        name=name,
        kind=Kind.MANAGER if name == MANAGER else Kind.AGENT,
        desired=Desired.RUNNING if manifest.autostart else Desired.STOPPED,
        manifest=manifest_to_json(manifest),
        origin=origin,
        broadcast=True,
        description=manifest.description,
        created_at=now,
    )


def new_peer(
    name: str,
    now: float,
    *,
    broadcast: bool = False,
    description: str | None = None,
    observe: str | None = None,
    origin: ParticipantOrigin = ParticipantOrigin.COMMAND,
) -> ParticipantRecord:
    """Return the record of a peer that did not exist before."""
    return ParticipantRecord(
        name=name,
        kind=Kind.PEER,
        desired=Desired.RUNNING,
        manifest=peer_settings(observe),
        origin=origin,
        broadcast=broadcast,
        description=description,
        created_at=now,
    )


def peer_settings(observe: str | None) -> str:
    """Return a peer's settings as its record keeps them."""
    return json.dumps({"observe": observe}) if observe else ""


def _taken(participant: Participant) -> ConflictError:
    """Return the error of a spawn whose name somebody has, with what can be done about that."""
    name = participant.name
    if isinstance(participant, Peer):
        way = f"'hive-c0re unregister-peer {name}' takes that peer out of the routing"
    else:
        way = (
            f"'hive-c0re start {name}' starts an agent that is stopped, "
            f"'hive-c0re destroy {name}' removes it"
        )
    return ConflictError(f"there is already a participant {name!r}; {way}")
