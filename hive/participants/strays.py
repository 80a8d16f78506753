"""Containers that run although this hive has not started them.

Another program may start an agent's container at any time: a person with `machinectl start`, a
unit that wants it, a request that raced with a stop. What the hive does about it depends on what
it has in mind with the agent. Where it would start the container itself, it adopts this one at
once. Elsewhere the container is a stray: it is watched, shown, and left alone until the operator
stops it or starts the agent, which adopts it.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, StrEnum, auto

from actors import ChildState
from hive.errors import ConfigError, FailedError, HiveError
from hive.event_log import EventKind
from hive.exits import Ended
from hive.machines.runtime import Running
from hive.participants.agent_actor import AgentServices
from hive.participants.participant import Agent, LastEnd, OnExit
from hive.participants.supervision import Supervision
from hive.store import Desired, ParticipantRecord

logger = logging.getLogger(__name__)


class StrayCause(StrEnum):
    """Why an agent's container should not run."""

    STOPPED = "stopped"
    """The operator has stopped the agent."""

    PARKED = "parked"
    """The hive has given the agent up; the operator starts it again."""

    ENDED = "ended"
    """It has ended, and its restart policy wants no restart."""


class Sighting(Enum):
    """What to do about a container that another program has started."""

    KNOWN = auto()
    """Nothing: it is watched already, or what starts the agent now finds and adopts it."""

    RETRY = auto()
    """Carry out the restart that is due later now: it adopts the container."""

    ADMIT = auto()
    """Let its start go on that waits for the machine: it adopts the container."""

    STRAY = auto()
    """Watch and show it, and leave the rest to the operator."""


_OWNED = {
    ChildState.BACKOFF: Sighting.RETRY,
    ChildState.STARTING: Sighting.ADMIT,
    ChildState.RUNNING: Sighting.ADMIT,
    ChildState.STOPPING: Sighting.KNOWN,
}
"""What to do while an agent's actor lives, or is to be restarted. Otherwise it is a stray."""


def sighting(agent: Agent, child: ChildState | None) -> Sighting:
    """Return what to do about an agent's container that runs and that the hive has not started.

    Args:
        agent: The agent; no request about its lifecycle is under way.
        child: The state of its actor; None without one.
    """
    if agent.stray or agent.running is not None:
        return Sighting.KNOWN
    if not agent.is_to_run or child is None:
        return Sighting.STRAY
    found = _OWNED.get(child, Sighting.STRAY)
    if found is Sighting.ADMIT and agent.queued_for is None:
        return Sighting.KNOWN
    return found


def stray_cause(record: ParticipantRecord) -> StrayCause:
    """Return why the container of an agent should not run."""
    if record.desired is Desired.STOPPED:
        return StrayCause.STOPPED
    return StrayCause.PARKED if record.failed is not None else StrayCause.ENDED


def stray_reason(record: ParticipantRecord) -> str:
    """Return why an agent is shown as a stray, and what the operator can do, as a sentence."""
    should = {
        StrayCause.STOPPED: "it should be stopped",
        StrayCause.PARKED: f"it has failed ({record.failed})",
        StrayCause.ENDED: "it has ended and is not to be restarted",
    }[stray_cause(record)]
    return (
        f"runs although {should}; 'hive-c0re stop {record.name}' ends it, "
        f"'hive-c0re start {record.name}' takes it over"
    )


class Strays:
    """Finds, watches and ends containers that other programs have started.

    Args:
        supervision: The actors of the agents.
        services: The objects of the hive that it uses.
    """

    def __init__(self, supervision: Supervision, services: AgentServices) -> None:
        self._supervision = supervision
        self._services = services

    async def report(self) -> None:
        """Watch the strays that run when the daemon starts.

        What cannot be looked at is recorded: one container must not keep the whole hive down.
        """
        try:
            found = await self._services.runtime.running()
        except HiveError as error:
            self._record_trouble(None, error)
            return
        agents = [agent for agent in self._services.registry.agents if not agent.is_to_run]
        # All at once: a container between up and down is waited for.
        await asyncio.gather(*(self._try_to_watch(each) for each in agents if each.name in found))

    async def _try_to_watch(self, agent: Agent) -> None:
        try:
            await self.watch(agent)
        except HiveError as error:
            self._record_trouble(agent.name, error)

    def _record_trouble(self, name: str | None, error: HiveError) -> None:
        what = f"whether its container runs is unknown: {error}"
        if name is None:
            what = f"which containers run is unknown: {error}"
        logger.warning("%s%s", f"{name}: " if name else "", what)
        self._services.events.record(EventKind.TROUBLE, name, what=what)

    async def appeared(self, name: str) -> None:
        """Handle that a container of this name runs and is not watched.

        Raises:
            HiveError: It could not be adopted or watched.
        """
        registry = self._services.registry
        participant = registry.get(name) if name in registry else None
        if not isinstance(participant, Agent):
            return
        async with participant.lifecycle_lock:
            if registry.is_member(participant):
                await self._handle(participant)

    async def _handle(self, agent: Agent) -> None:
        child = await self._supervision.info(agent)
        match sighting(agent, child.state if child else None):
            case Sighting.STRAY:
                await self.watch(agent)
            case Sighting.RETRY:
                await self._supervision.retry_now(agent)
            case Sighting.ADMIT:
                self._services.gate.adopt_now(agent)
            case Sighting.KNOWN:
                pass

    async def watch(self, agent: Agent) -> None:
        """Record a stray, and watch it until its end; one that has ended is none.

        Call it with the agent's lifecycle lock held, or before there are requests.
        """
        services = self._services
        running: Running | None = None
        ends: list[Ended] = []

        def on_end(ended: Ended) -> None:
            ends.append(ended)
            self._on_end(agent, ended)

        try:
            running = await services.runtime.adopt(services.spec_of(agent), on_end)
            is_stray = running is not None and not ends  # it may have ended already
        except ConfigError:  # no spec, no watch: its manifest is invalid
            is_stray = True
        agent.stray, agent.running = is_stray, running if is_stray else None
        if agent.stray:
            cause, pid = stray_cause(agent.record), running.pid if running else None
            logger.warning("%s %s", agent.name, stray_reason(agent.record))
            services.events.record(EventKind.STRAY, agent.name, cause=cause.value, pid=pid)
        services.registry.changed(agent)

    def _on_end(self, agent: Agent, ended: Ended) -> None:
        agent.stray, agent.running, agent.ended = False, None, LastEnd.of(ended)
        self._services.events.record(EventKind.ENDED, agent.name, **agent.ended.detail())
        self._services.registry.save_soon(agent, last_reason=str(agent.ended))
        self._services.registry.changed(agent)

    async def end(self, agent: Agent, on_exit: OnExit) -> None:
        """End a container that no actor owns: during a back-off, or a stray.

        Raises:
            FailedError: It runs nevertheless, and is watched as a stray.
        """
        runtime = self._services.runtime
        if await runtime.is_running(agent.name):
            at_once = on_exit is OnExit.KILL or agent.is_frozen
            deadline = 0.0 if at_once else agent.settings.stop_timeout
            try:
                ended = await runtime.stop(agent.name, deadline=deadline)
            except FailedError:
                await self.watch(agent)
                raise
            agent.ended = LastEnd.of(ended) if ended is not None else agent.ended
        agent.running = None
        agent.stray = False

    def record_restart(self, name: str, running: Running, reason: str) -> None:
        """Record that another program has restarted an agent's container, and count it."""
        registry = self._services.registry
        agent = registry.get(name) if name in registry else None
        if not isinstance(agent, Agent):
            return
        agent.running = running
        agent.record_restart(running.since, reason)
        registry.save_soon(agent, restarts=agent.record.restarts + 1)
        self._services.events.record(
            EventKind.EXTERNAL_RESTART, name, pid=running.pid, reason=reason
        )
        registry.changed(agent)
