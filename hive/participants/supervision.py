"""Supervision of participants: child specs of their actors, and the state of these children."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Never, Protocol

from actors import (
    Backoff,
    ChildInfo,
    ChildSpec,
    ChildState,
    NoSuchChild,
    Restart,
    RestartLimit,
    SupervisorRef,
)
from hive.config import RestartPolicy
from hive.errors import HiveError
from hive.machines.runtime import KILL_SECONDS
from hive.participants.actor import PeerActor
from hive.participants.agent_actor import AgentActor, AgentServices, MachineEnded
from hive.participants.participant import Agent, Participant, Peer, RebootLimit
from hive.participants.start_checks import is_hopeless

KILL_MARGIN = KILL_SECONDS + 5.0
"""Seconds added to the stop timeout of an agent's actor, for the kill and its confirmation."""

REBOOTS_PER_RESTART = 4
"""Reboots from inside that are allowed for each allowed restart."""

PEER_BACKOFF = Backoff(base=1.0, cap=30.0)
PEER_BUDGET = RestartLimit(max_restarts=10, within=5.0)
"""Never exhausted, because delays are at least 0.9 s: a peer's actor is restarted indefinitely."""


def backoff_of(policy: RestartPolicy) -> Backoff:
    """Return the delays between restarts under a policy."""
    return Backoff(
        base=policy.base,
        factor=policy.factor,
        cap=policy.cap,
        jitter=policy.jitter,
        reset_after=policy.reset_after,
    )


def restart_delays(participant: Agent, default: RestartPolicy) -> tuple[float, ...]:
    """Return the delay in seconds before each restart that an agent is allowed, without jitter."""
    return _delays(participant.settings.restart or default)


@lru_cache(maxsize=64)
def _delays(policy: RestartPolicy) -> tuple[float, ...]:
    """Return the delays under a policy; cached, since many agents share one."""
    return backoff_of(policy).schedule(policy.max_restarts)


def reboot_limit(policy: RestartPolicy) -> RebootLimit:
    """Return the limit of reboots under a policy, in the period of its restarts."""
    return RebootLimit((policy.max_restarts + 1) * REBOOTS_PER_RESTART, policy.within)


def agent_child(
    participant: Agent, services: AgentServices, default: RestartPolicy
) -> ChildSpec[MachineEnded]:
    """Return the child spec of an agent; a spent budget parks this agent alone."""
    manifest = participant.settings
    policy = manifest.restart or default
    return ChildSpec(
        id=participant.name,
        start=lambda: AgentActor(participant, services, reboot_limit(policy)),
        restart=Restart(policy.restart.value),
        shutdown=manifest.stop_timeout + KILL_MARGIN,
        backoff=backoff_of(policy),
        budget=RestartLimit(max_restarts=policy.max_restarts, within=policy.within),
        prevent_restart=is_hopeless,
    )


def peer_child(participant: Peer, services: AgentServices) -> ChildSpec[Never]:
    """Return the child spec of a peer's actor."""
    return ChildSpec(
        id=participant.name,
        start=lambda: PeerActor(participant, services.broker, services.sockets, services.registry),
        backoff=PEER_BACKOFF,
        budget=PEER_BUDGET,
    )


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


class Supervision:
    """Starts, terminates and deletes the actors of participants as children of their supervisor.

    Args:
        supervisors: The supervisors of agents and of peers.
        services: The objects that agents' actors use.
        policy: Restart policy of agents that have none of their own.
    """

    def __init__(
        self, supervisors: Supervisors, services: AgentServices, policy: RestartPolicy
    ) -> None:
        self._supervisors = supervisors
        self._services = services
        self._policy = policy
        self._refusal: Callable[[], HiveError] | None = None

    def refuse_starts(self, refusal: Callable[[], HiveError]) -> None:
        """Start no agent from now on, but raise this error: the daemon ends."""
        self._refusal = refusal

    def set_policy(self, policy: RestartPolicy) -> None:
        """Change the default policy: an agent has it from its next requested start on."""
        self._policy = policy

    def agent_children(self) -> tuple[ChildSpec[MachineEnded], ...]:
        """Return the child specs of all agents that are to run and are not parked."""
        return tuple(
            self._agent_child(agent) for agent in self._services.registry.agents if agent.is_to_run
        )

    def peer_children(self) -> tuple[ChildSpec[Never], ...]:
        """Return the child specs of all peers."""
        return tuple(peer_child(peer, self._services) for peer in self._services.registry.peers)

    async def info(self, participant: Participant) -> ChildInfo | None:
        """Return the state of a participant's child; None when its supervisor has none."""
        try:
            return await self._supervisor(participant).child(participant.name)
        except NoSuchChild:
            return None

    async def infos(self) -> dict[str, ChildInfo]:
        """Return the states of the children of all participants, by name."""
        supervisors = self._supervisors
        agents, peers = await supervisors.agents.children(), await supervisors.peers.children()
        return {info.id: info for info in (*agents, *peers)}

    def restart_delays(self, agent: Agent) -> list[float]:
        """Return the delays in seconds before an agent's restarts, as its policy says."""
        return list(restart_delays(agent, self._policy))

    async def start_agent(self, agent: Agent) -> None:
        """Add the child of a new agent; returns before it runs."""
        self._require_starts()
        await self._supervisors.agents.start_child(self._agent_child(agent), wait=False)

    async def start_peer(self, peer: Peer) -> None:
        """Add the child of a new peer; returns before it listens."""
        child = peer_child(peer, self._services)
        await self._supervisors.peers.start_child(child, wait=False)

    async def ensure_started(self, agent: Agent) -> None:
        """Start an agent's child whatever its state, with a full restart budget."""
        self._require_starts()
        agents, info = self._supervisors.agents, await self.info(agent)
        agent.start_error = None
        agent.restart_is_due = False
        agent.reboots.clear()
        if agent.record.failed is not None:
            self._services.registry.save_soon(agent, failed=None)
        match info.state if info else None:
            case None:
                await self.start_agent(agent)
            case ChildState.STOPPED:
                await agents.replace_child(self._agent_child(agent))
                await agents.restart_child(agent.name)
            case ChildState.PARKED:
                await agents.replace_child(self._agent_child(agent))
                await agents.revive_child(agent.name)
            case ChildState.BACKOFF:
                await agents.terminate_child(agent.name)
                await agents.replace_child(self._agent_child(agent))
                await agents.restart_child(agent.name)
            case _:
                pass

    async def retry_now(self, agent: Agent) -> None:
        """Carry out the restart of an agent that is in its back-off now; its budget stays."""
        self._require_starts()
        agents = self._supervisors.agents
        await agents.terminate_child(agent.name)
        await agents.restart_child(agent.name)

    def _require_starts(self) -> None:
        if self._refusal is not None:
            raise self._refusal()

    async def terminate(self, participant: Participant) -> None:
        """End a participant's actor; its child spec stays. Does nothing without a child."""
        with suppress(NoSuchChild):
            await self._supervisor(participant).terminate_child(participant.name)

    async def delete(self, participant: Participant) -> None:
        """Remove a participant's terminated child. Does nothing without a child."""
        with suppress(NoSuchChild):
            await self._supervisor(participant).delete_child(participant.name)

    def _agent_child(self, agent: Agent) -> ChildSpec[MachineEnded]:
        return agent_child(agent, self._services, self._policy)

    def _supervisor(self, participant: Participant) -> SupervisorRef:
        supervisors = self._supervisors
        return supervisors.agents if isinstance(participant, Agent) else supervisors.peers
