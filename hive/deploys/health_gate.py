"""Health: whether a deployed agent works.

Its container must run and go on running for a moment; an agent with a harness must also connect and
report its first activity. A container that ends, or a start that fails, is an answer at once. Then
the probe of its manifest, if there is one, must succeed.

An agent that the operator stops meanwhile is not asked for more, and one that is restarted begins
anew. While it is frozen, nothing is asked of it, and no time counts.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attrs import frozen

from hive.config import AgentManifest
from hive.errors import ConflictError, FailedError
from hive.escapes import inline
from hive.machines.runtime import MachineSpec, Runtime
from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry
from hive.participants.start_waits import wait_until_thawed
from hive.piped_programs import is_set_within
from hive.store import Desired
from hive.subprocesses import OnLine, Outcome

STABLE_SECONDS = 0.4
"""Seconds for which a healthy agent must go on running."""

HEALTH_DEADLINE = 60.0
"""Seconds within which an agent must become healthy."""

LOOK_SECONDS = 0.1
"""Seconds between two looks at an agent that a request restarts."""

PROBE_LINES = 5
"""Last lines of a probe that its error has."""


@frozen
class Unhealthy:
    """What an agent still lacks; `is_final` if waiting is of no use."""

    reason: str
    is_final: bool = False


def lack_of(agent: Agent, instance: str | None) -> Unhealthy | None:
    """Return what an agent lacks; None if it is healthy.

    Args:
        agent: The agent.
        instance: The run that was seen before; None before the first.
    """
    if agent.start_error is not None:
        return Unhealthy(f"it could not be started: {agent.start_error}", is_final=True)
    if agent.running is None:
        ended = f": {agent.ended}" if instance is not None and agent.ended is not None else ""
        return Unhealthy(f"its container does not run{ended}", is_final=instance is not None)
    if instance is not None and agent.running.instance != instance:
        return Unhealthy(f"its container was restarted: {agent.ended}", is_final=True)
    if agent.settings.exec is None and not agent.presence.connected:
        return Unhealthy("its harness has not connected")
    if agent.settings.exec is None and agent.reporter is None:
        return Unhealthy("its harness has reported nothing")
    return None


async def wait_until_healthy(
    registry: Registry, agent: Agent, *, deadline: float = HEALTH_DEADLINE
) -> None:
    """Wait until an agent is healthy and has been for `STABLE_SECONDS`.

    An agent that is stopped on request meanwhile counts as healthy.

    Raises:
        FailedError: It is not, with what it lacks.
        ConflictError: It was destroyed meanwhile.
    """
    changed = asyncio.Event()

    def on_change(participant: Participant) -> None:
        if participant is agent:
            changed.set()

    unsubscribe = registry.subscribe(on_change)
    try:
        async with asyncio.timeout(deadline) as limit:
            await _watch(registry, agent, changed, limit)
    except TimeoutError:
        lack = lack_of(agent, None)
        why = "it does not stay up" if lack is None else lack.reason
        raise FailedError(
            f"{agent.name!r} did not become healthy within {deadline:g} s: {why}"
        ) from None
    finally:
        unsubscribe()


async def probe(
    runtime: Runtime, spec: MachineSpec, manifest: AgentManifest, on_line: OnLine
) -> None:
    """Run the probe of a manifest inside the agent's machine; nothing without one.

    Raises:
        FailedError: It failed or did not end in time, with its last lines.
    """
    if manifest.probe is None:
        return
    deadline = manifest.probe_timeout
    outcome = await runtime.probe(spec, manifest.probe, deadline=deadline, on_line=on_line)
    if not outcome.ok:
        raise FailedError(f"the probe of {spec.name!r} failed: {_how(outcome, deadline)}")


def _how(outcome: Outcome, deadline: float) -> str:
    if outcome.status is None:
        end = f"it did not end within {deadline:g} s"
    elif outcome.status < 0:
        end = f"it was ended by signal {-outcome.status}"
    else:
        end = f"it exited with status {outcome.status}"
    last = [inline(line.strip()) for line in outcome.err.splitlines()[-PROBE_LINES:]]
    return f"{end}: {'; '.join(last)}" if last else f"{end} and printed nothing"


async def _watch(
    registry: Registry, agent: Agent, changed: asyncio.Event, limit: asyncio.Timeout
) -> None:
    loop = asyncio.get_running_loop()
    instance: str | None = None
    stable_at: float | None = None
    while stable_at is None or loop.time() < stable_at:
        changed.clear()
        if not registry.is_member(agent):
            raise ConflictError(f"{agent.name!r} was destroyed during its deploy")
        if agent.is_frozen:
            await _thawed(registry, agent, limit)
            stable_at = None
            continue
        if agent.record.desired is Desired.STOPPED:
            return
        if agent.lifecycle_lock.locked():  # a request restarts it
            instance = stable_at = None
            await is_set_within(changed, LOOK_SECONDS)
            continue
        lack = lack_of(agent, instance)
        if lack is not None and lack.is_final:
            raise FailedError(f"{agent.name!r} is not healthy: {lack.reason}")
        if agent.running is not None:
            instance = agent.running.instance
        if lack is not None:
            stable_at = None
        elif stable_at is None:
            stable_at = loop.time() + STABLE_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout_at(stable_at):
                await changed.wait()


async def _thawed(registry: Registry, agent: Agent, limit: asyncio.Timeout) -> None:
    """Wait until an agent is thawed, which takes nothing of its time limit."""
    loop, until = asyncio.get_running_loop(), limit.when()
    began = loop.time()
    limit.reschedule(None)
    await wait_until_thawed(registry, agent)
    limit.reschedule(None if until is None else until + loop.time() - began)
