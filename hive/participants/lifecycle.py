"""Lifecycle of agents, and registration of peers, as the operator or the manager requests.

The desired state comes first. `stop` writes "stopped" to disk before it touches anything, so that
no crash, back-off or restart of the daemon can start the agent again; `start` likewise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from attrs import evolve

from hive.broker.service import BrokerService
from hive.broker.values import RemoveInbox
from hive.cancellation import shield_until_done
from hive.clock import Clock
from hive.config import AgentManifest, manifest_from_json
from hive.errors import (
    ConflictError,
    FailedError,
    HiveError,
    NotAllowedError,
    UnknownNameError,
)
from hive.event_log import EventKind, EventLog
from hive.machines.runtime import MachineSpec, NotReloadedError, RemainsError, Runtime, ignore_line
from hive.names import MANAGER, check_agent_name, check_peer_name, check_unit_name
from hive.participants.agent_actor import AgentServices
from hive.participants.freeze_rules import joining
from hive.participants.participant import (
    Agent,
    OnExit,
    Participant,
    Peer,
    new_agent,
    new_peer,
    peer_settings,
)
from hive.participants.rebuilds import Rebuilds
from hive.participants.registry import Registry
from hive.participants.start_waits import (
    check_member,
    raise_failure,
    wait_until_listening,
    wait_until_running,
    wait_until_thawed,
)
from hive.participants.strays import Strays
from hive.participants.supervision import Supervision
from hive.paths import Paths
from hive.store import Desired, ParticipantOrigin, Store
from hive.subprocesses import OnLine


class Lifecycle:
    """Starts, stops, restarts, rebuilds and destroys agents; registers and unregisters peers.

    Args:
        supervision: Starts and terminates the participants' actors.
        services: The objects of the hive that it uses, those of agents' actors.
        store: Stores and deletes the records of participants.
        clock: Wall time.
        paths: Directories of the agents.
        has_manager: Returns whether hive.toml, as it was read last, has a manager.
    """

    def __init__(
        self,
        supervision: Supervision,
        services: AgentServices,
        store: Store,
        clock: Clock,
        paths: Paths,
        *,
        has_manager: Callable[[], bool],
    ) -> None:
        self._supervision = supervision
        self._services = services
        self._store = store
        self._clock = clock
        self._paths = paths
        self._has_manager = has_manager
        self.strays = Strays(supervision, services)
        self._rebuilds = Rebuilds(services)

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

        If it cannot be started, nothing of it is left, except what an earlier agent of that name
        has left.

        Raises:
            ConflictError: When the name is taken.
            ConfigError: When the manifest is invalid, or something that it names is missing.
            FailedError: When the container could not be started.
            TimedOutError: When it does not run yet; it exists, and is started.
        """
        check_agent_name(name)
        self._paths.check_sockets([name])
        self._require_free(name)
        record = new_agent(name, manifest, self._clock.now())
        manifest_from_json(record.manifest)  # refused here rather than at each start
        await self._services.checks.require(name, manifest)
        is_first = not await asyncio.to_thread(self._has_directory, name)
        # Again: no await from here until it is taken.
        self._require_free(name)
        self._services.checks.require_thawed(name)
        participant = self._registry.join(record)
        assert isinstance(participant, Agent)
        async with participant.lifecycle_lock:
            await self._add(participant)
            self._events.record(EventKind.SPAWNED, name)
            participant.start_requested = True
            await self._supervision.start_agent(participant)
        try:
            await wait_until_running(self._registry, participant)
        except FailedError as error:
            undone = await shield_until_done(self._undo_spawn(participant, purge=is_first))
            raise FailedError(f"{error}; {undone}") from error
        return participant

    async def _undo_spawn(self, agent: Agent, *, purge: bool) -> str:
        """Remove an agent that could not be started, but no mail; return what is left of it.

        Args:
            agent: The agent.
            purge: Remove its files, too: there were none of that name before.
        """
        try:
            remains = await self._destroy(agent, purge=False, undo=True, purge_files=purge)
        except HiveError as error:
            return f"the agent exists: {error}"
        return (
            f"not all of its files are removed: {remains}" if remains else "nothing is left of it"
        )

    def _require_free(self, name: str) -> None:
        """Raise ConflictError if a participant has the name, with what the operator can do."""
        if name in self._registry:
            raise _taken(self._registry.get(name))

    async def add(
        self, name: str, manifest: AgentManifest, origin: ParticipantOrigin, applied: str
    ) -> Agent:
        """Create an agent from a commit; returns when it is on disk, before it runs.

        Raises:
            ConflictError: When the name is taken.
        """
        self._require_free(name)
        self._paths.check_sockets([name])
        record = new_agent(name, manifest, self._clock.now(), origin=origin)
        others = [each.record for each in self._registry]
        record = joining(evolve(record, applied=applied), others, self._clock.now())
        participant = self._registry.join(record)
        assert isinstance(participant, Agent)
        async with participant.lifecycle_lock:
            await self._add(participant)
        self._events.record(EventKind.SPAWNED, name)
        return participant

    async def build(
        self, name: str, manifest: AgentManifest, on_line: OnLine = ignore_line
    ) -> None:
        """Build what an agent with a manifest runs on; a running agent is not touched.

        A cancellation kills the build.

        Args:
            name: The agent; it need not exist.
            manifest: Its manifest.
            on_line: Takes the lines that the build prints.

        Raises:
            FailedError: The build failed.
        """
        record = new_agent(name, manifest, self._clock.now())
        try:
            await self._services.runtime.update(self._services.spec_of(Agent(record)), on_line)
        except NotReloadedError as error:
            on_line(str(error))  # what is built is applied by the restart

    async def apply(self, name: str) -> None:
        """Restart an agent with its present manifest, unless it is stopped, or stopped meanwhile.

        It waits while the agent is frozen.

        Raises:
            ConfigError: Something that its manifest names is missing, and the agent runs on.
            FailedError: A disk is nearly full, and the agent runs on; or it could not be started.
        """
        participant = self._registry.agent(name)
        await wait_until_thawed(self._registry, participant)
        await self._services.checks.require(name, participant.settings)
        async with participant.lifecycle_lock:
            check_member(self._registry, participant)
            if not _is_wanted(participant):
                return
            await self._terminate(participant, OnExit.STOP)
            if not _is_wanted(participant):
                return
            await self._start(participant)
        try:
            await wait_until_running(self._registry, participant)
        except ConflictError:
            if _is_wanted(participant):
                raise

    def machine_of(self, agent: Agent) -> tuple[Runtime, MachineSpec]:
        """Return the runtime, and the machine of an agent in it."""
        return self._services.runtime, self._services.spec_of(agent)

    async def _add(self, participant: Participant) -> None:
        """Add a new participant of the registry to the store and the broker."""
        try:
            await self._store.upsert_participant(participant.record)
        except HiveError:
            self._registry.leave(participant)
            raise
        self._broker.add_participant(participant.record)

    async def start(self, name: str) -> None:
        """Start an agent from any state; returns when its container runs.

        Raises:
            ConfigError: Something that its manifest names is missing; nothing has changed.
            FailedError: A disk is nearly full, or it could not be started.
        """
        participant = self._registry.agent(name)
        self._services.checks.require_thawed(participant.name)
        if not participant.is_up:
            await self._services.checks.require(participant.name, participant.settings)
        await self._registry.save(participant, desired=Desired.RUNNING)
        async with participant.lifecycle_lock:
            self._check_not_superseded(participant, Desired.RUNNING)
            await self._start(participant)
        await wait_until_running(self._registry, participant)

    async def _start(self, agent: Agent) -> None:
        """Start an agent on request: whatever its state, and also under pressure."""
        if not agent.is_up:
            self._services.gate.request(agent)
        await self._supervision.ensure_started(agent)

    async def stop(self, name: str, *, force: bool = False) -> None:
        """Stop an agent until it is started again; returns when its container has ended.

        Args:
            name: The agent.
            force: Kill at once, also while a graceful stop, a build or a start is under way.
        """
        participant = self._registry.agent(name)
        self._rebuilds.supersede(participant.name, cancel=force)
        await self._registry.save(participant, desired=Desired.STOPPED, failed=None)
        if force and participant.lifecycle_lock.locked():
            await self._services.runtime.kill(participant.name)
        async with participant.lifecycle_lock:
            self._check_not_superseded(participant, Desired.STOPPED)
            await self._terminate(participant, OnExit.KILL if force else OnExit.STOP)
            self._broker.add_participant(participant.record)  # a stopped agent gets no broadcasts

    async def restart(self, name: str) -> None:
        """Stop an agent gracefully and start it with its present manifest.

        Raises:
            ConfigError: Something that its manifest names is missing, and the agent runs on.
            FailedError: A disk is nearly full, and the agent runs on; or it could not be started.
        """
        participant = self._registry.agent(name)
        await self._services.checks.require(participant.name, participant.settings)
        await self._registry.save(participant, desired=Desired.RUNNING)
        async with participant.lifecycle_lock:
            self._check_not_superseded(participant, Desired.RUNNING)
            await self._terminate(participant, OnExit.STOP)
            self._check_not_superseded(participant, Desired.RUNNING)
            await self._start(participant)
        await wait_until_running(self._registry, participant)

    async def rebuild(self, name: str) -> str | None:
        """Rebuild the image of an agent's container, then restart the agent.

        The agent runs on during the build, and also when the build fails.

        Returns:
            What the container did not apply before its restart, as a sentence; None for nothing.

        Raises:
            ConflictError: Another request has stopped the agent meanwhile.
            FailedError: The build failed, or the agent could not be restarted.
        """
        participant = self._registry.agent(name)
        await self._services.checks.require(participant.name, participant.settings)
        notice = await self._rebuilds.build(participant)
        await self.restart(name)
        return notice

    def destroyable(self, name: str) -> Agent:
        """Return the agent that `destroy` removes.

        Raises:
            UnknownNameError: There is no such participant.
            NotAllowedError: It is a peer, or the manager and hive.toml has a [manager].
        """
        participant = self._registry.agent(name)
        if participant.name == MANAGER and self._has_manager():
            raise NotAllowedError(
                f"{MANAGER!r} is the manager that hive.toml describes, and each start would make "
                "it again; take [manager] out of the file, then 'hive-c0re reload --prune'"
            )
        return participant

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Remove an agent; with `purge` also its files and its mail.

        With `purge`, it also removes what is left of an agent that was destroyed already.

        Raises:
            RemainsError: The agent is removed, but not all of its files.
            UnknownNameError: There is no such agent, nor a file of one; for further errors see
                `destroyable`.
        """
        if purge and await self._is_left(name):
            remains = await self._purge_left(name)
        else:
            remains = await self._destroy(self.destroyable(name), purge=purge)
        if remains:
            raise RemainsError(
                f"{name!r} is destroyed, but not all of its files are removed: {remains}; then "
                f"'hive-c0re destroy --purge {name}' removes them"
            )

    async def check_destroy(self, name: str, *, purge: bool) -> None:
        """Raise what `destroy` would raise before it removes anything."""
        if not (purge and await self._is_left(name)):
            self.destroyable(name)

    async def take_back(self, name: str) -> None:
        """Remove an agent that was added and does not work; its files and its mail stay.

        So does its machine, if that was there before the agent.

        Raises:
            UnknownNameError: There is no such participant.
            NotAllowedError: It is a peer.
        """
        await self._destroy(self._registry.agent(name), purge=False, only_made=True)

    async def forget(self, name: str) -> None:
        """Remove an agent that hive.toml no longer has, the manager too; its state and mail stay.

        Raises:
            UnknownNameError: There is no such participant.
            NotAllowedError: It is a peer.
        """
        await self._destroy(self._registry.agent(name), purge=False)

    async def _is_left(self, name: str) -> bool:
        """Return whether a directory of an agent that does not exist is left."""
        with suppress(UnknownNameError):
            self._registry.get(name)  # also by another name: that of the manager has two
            return False
        return await asyncio.to_thread(self._has_directory, name)

    def _has_directory(self, name: str) -> bool:
        directories = (self._paths.agent_dir(check_agent_name(name)), self._paths.socket_dir(name))
        return any(each.exists() for each in directories)

    async def _purge_left(self, name: str) -> str:
        # Unread mail stays for a participant of that name: only a participant can be purged of it.
        self._broker.add_participant(new_agent(name, AgentManifest(), self._clock.now()))
        await self._broker.ask(RemoveInbox(name, force=True, purge=True))
        await self._store.delete_participant(name, purge=True)
        return await self._remove_machine(name, RemainsError, purge=True)

    async def _destroy(
        self,
        participant: Agent,
        *,
        purge: bool,
        undo: bool = False,
        purge_files: bool = False,
        only_made: bool = False,
    ) -> str:
        """Remove an agent, with `purge` also its mail and files; return what files are left.

        With `undo`, a machine that cannot be removed is left, too: it was not started. Then, and
        with `only_made`, one that was there before the agent stays.
        """
        name = participant.name
        await self._registry.save(participant, desired=Desired.STOPPED)
        async with participant.lifecycle_lock:
            self._check_not_superseded(participant, Desired.STOPPED)
            await self._terminate(participant, OnExit.STOP)
            await self._supervision.delete(participant)
            left = FailedError if undo else RemainsError
            remains = await self._remove_machine(
                name, left, purge=purge or purge_files, only_made=undo or only_made
            )
            async with self._kept_on_error(participant):
                await self._broker.ask(RemoveInbox(name, force=True, purge=purge))
                await self._remove(participant, purge=purge)
        self._events.record(EventKind.DESTROYED, name, purge=purge)
        return remains

    async def _remove_machine(
        self, name: str, left: type[FailedError], *, purge: bool, only_made: bool = False
    ) -> str:
        """Remove an agent's machine, and with `purge` its files; return what cannot be removed.

        An error of the type `left` says so; others are raised. With `only_made`, a machine that
        was there before the agent stays.
        """
        remains: list[str] = []
        try:
            await self._services.runtime.destroy(name, purge=purge, only_made=only_made)
        except left as error:
            remains.append(str(error))
        if not purge:
            await self._services.sockets.remove_directory(name)
            return "; ".join(remains)
        try:
            await self._services.sockets.purge(name)
        except RemainsError as error:
            remains.append(str(error))
        return "; ".join(remains)

    async def set_paused(self, name: str, *, paused: bool) -> bool:
        """Pause or resume the delivery of an agent's mail; durable, also for stopped agents.

        Returns:
            Whether that has changed anything; what changes nothing is no event.
        """
        participant = self._registry.agent(name)
        changed = participant.record.paused != paused
        await self._registry.save(participant, paused=paused)
        self._broker.pause_inbox(participant.name, paused=paused)
        if changed:
            self._events.record(EventKind.PAUSED if paused else EventKind.RESUMED, participant.name)
        return changed

    async def register_peer(
        self,
        name: str,
        *,
        broadcast: bool | None = None,
        description: str | None = None,
        observe: str | None = None,
    ) -> Peer:
        """Add a peer, or change the settings of one; returns when its socket listens.

        Of a peer that exists, settings that are None stay, and its socket gets the group that its
        directory has now. An empty `observe` ends the observation.

        Raises:
            BadRequestError: The name is invalid, or the path of the socket too long.
            FailedError: The socket cannot be opened; there is no new peer then.
        """
        check_peer_name(name)
        self._paths.check_sockets([name])
        if observe:
            check_unit_name(observe)
        while name in self._registry:
            participant = self._registry.peer(name)
            async with participant.lifecycle_lock:
                if not self._registry.is_member(participant):
                    continue  # another request has removed it meanwhile
                raise_failure(self._registry, participant)
                changes = {
                    "broadcast": broadcast,
                    "description": description,
                    "manifest": None if observe is None else peer_settings(observe),
                }
                given = {key: value for key, value in changes.items() if value is not None}
                await self._registry.save(participant, **given)
                self._broker.add_participant(participant.record)
            await wait_until_listening(self._registry, participant)
            await self._services.sockets.heed_directory(participant)
            return participant
        record = new_peer(
            name,
            self._clock.now(),
            broadcast=bool(broadcast),
            description=description,
            observe=observe,
        )
        joined = self._registry.join(record)
        assert isinstance(joined, Peer)
        async with joined.lifecycle_lock:
            await self._add(joined)
            await self._supervision.start_peer(joined)
        try:
            await wait_until_listening(self._registry, joined)
        except FailedError:
            await shield_until_done(self._unregister(joined, force=True))
            raise
        self._events.record(EventKind.PEER_REGISTERED, name)
        return joined

    async def unregister_peer(self, name: str, *, force: bool = False) -> None:
        """Remove a peer; its mail stays in the store.

        Raises:
            ConflictError: When it has unread mail and `force` is not given.
        """
        await self._unregister(self._registry.peer(name), force=force)
        self._events.record(EventKind.PEER_UNREGISTERED, name)

    async def _unregister(self, peer: Peer, *, force: bool) -> None:
        async with peer.lifecycle_lock:
            check_member(self._registry, peer)
            async with self._kept_on_error(peer):
                await self._broker.ask(RemoveInbox(peer.name, force=force))
                await self._supervision.terminate(peer)
                await self._supervision.delete(peer)
                await self._remove(peer)

    def set_on_exit(self, on_exit: OnExit) -> None:
        """Set what all agents' actors do with their containers when the daemon ends."""
        for agent in self._registry.agents:
            agent.on_exit = on_exit

    async def _terminate(self, participant: Agent, on_exit: OnExit) -> None:
        participant.on_exit = on_exit
        await self._supervision.terminate(participant)
        await self.strays.end(participant, on_exit)
        self._registry.changed(participant)

    @asynccontextmanager
    async def _kept_on_error(self, participant: Participant) -> AsyncIterator[None]:
        """Let a participant take part as before if its removal fails: it can be removed again."""
        try:
            yield
        except HiveError:
            self._registry.replace(participant, participant)
            self._broker.add_participant(participant.record)
            if isinstance(participant, Peer) and await self._supervision.info(participant) is None:
                await self._supervision.start_peer(participant)
            raise

    async def _remove(self, participant: Participant, *, purge: bool = False) -> None:
        self._registry.leave(participant)  # first: from here on its record is not saved again
        await self._store.delete_participant(participant.name, purge=purge)

    def _check_not_superseded(self, participant: Agent, desired: Desired) -> None:
        """Raise ConflictError when a newer request has changed the desired state."""
        if not self._registry.is_member(participant):
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


def _is_wanted(agent: Agent) -> bool:
    return agent.record.desired is Desired.RUNNING
