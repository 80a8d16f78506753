"""From a participant to the child spec under which its actor is supervised."""

from __future__ import annotations

from typing import Never

from actors import Backoff, ChildSpec, Restart, RestartLimit
from hive.config import RestartPolicy
from hive.machines.runtime import KILL_SECONDS
from hive.participants.agent_actor import AgentActor, AgentServices, MachineEnded
from hive.participants.participant import Agent, Peer
from hive.participants.peer_actor import PeerActor
from hive.participants.reboots import RebootLimit

KILL_MARGIN = KILL_SECONDS + 5.0
"""Seconds that an agent's actor has beyond the stop timeout: for the kill and its confirmation."""

REBOOTS_PER_RESTART = 4
"""A reboot from inside is as good as no failure, so that many more are tolerated."""

PEER_BACKOFF = Backoff(base=1.0, cap=30.0)
PEER_BUDGET = RestartLimit(max_restarts=10, within=5.0)
"""With delays from one second on, this is never spent: a peer's door is tried again for ever."""


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
    policy = participant.settings.restart or default
    return backoff_of(policy).schedule(policy.max_restarts)


def reboot_limit(policy: RestartPolicy) -> RebootLimit:
    """Return how often a guest may reboot under a policy, in the window of its restarts."""
    return RebootLimit((policy.max_restarts + 1) * REBOOTS_PER_RESTART, policy.within)


def agent_child(
    participant: Agent, services: AgentServices, default: RestartPolicy
) -> ChildSpec[MachineEnded]:
    """Return the child spec of an agent; its budget, once spent, parks it and nobody else."""
    manifest = participant.settings
    policy = manifest.restart or default
    return ChildSpec(
        id=participant.name,
        start=lambda: AgentActor(participant, services, reboot_limit(policy)),
        restart=Restart(policy.restart.value),
        shutdown=manifest.stop_timeout + KILL_MARGIN,
        backoff=backoff_of(policy),
        budget=RestartLimit(max_restarts=policy.max_restarts, within=policy.within),
    )


def peer_child(participant: Peer, services: AgentServices) -> ChildSpec[Never]:
    """Return the child spec of a peer's actor, which is an inbox and a door and nothing else."""
    return ChildSpec(
        id=participant.name,
        start=lambda: PeerActor(participant, services.broker, services.sockets, services.registry),
        backoff=PEER_BACKOFF,
        budget=PEER_BUDGET,
    )
