"""The emergency stop: freezes agents, all at once, and lets them go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from hive.clock import Clock
from hive.errors import ConflictError, FailedError, HiveError
from hive.event_log import EventKind
from hive.participants.agent_actor import AgentServices
from hive.participants.participant import Agent
from hive.store import Desired

STORE_SECONDS = 1.0
"""Seconds that an emergency stop waits for the disk before it stops what runs."""


@frozen
class FreezeOutcome:
    """What became of an agent by `estop` or `thaw`.

    Attributes:
        agent: The agent.
        changed: Whether it was not frozen before `estop`, or frozen before `thaw`.
        error: Why it is not wholly frozen, or not let go on; None if it is.
        state: Why there was nothing to stop or to let go on; None if its machine ran.
    """

    agent: Agent
    changed: bool
    error: str | None
    state: str | None


def why_down(agent: Agent) -> str | None:
    """Return why an agent's machine does not run; None if it does."""
    if agent.running is not None:
        return None
    if agent.record.desired is Desired.STOPPED:
        return "it is stopped"
    if agent.record.failed is not None:
        return f"it has failed: {agent.record.failed}"
    return "it does not run" + (f": {agent.ended}" if agent.ended is not None else "")


class Freezes:
    """Freezes agents and lets them go on.

    The broker comes first: from then on it grants an agent nothing and ends none of its leases.
    Then the record is stored, and the machines are stopped all at once.

    Args:
        services: The objects of the hive that it uses.
        clock: Wall time.
    """

    def __init__(self, services: AgentServices, clock: Clock) -> None:
        self._services = services
        self._clock = clock
        self._stops = 0
        self._late: set[asyncio.Future[None]] = set()

    async def estop(self, agents: Sequence[Agent]) -> list[FreezeOutcome]:
        """Freeze agents; one that is frozen is frozen again.

        An agent that does not run is not started until it is thawed, and one that is coming up is
        frozen as soon as it runs.
        """
        self._stops += 1
        states = {agent.name: why_down(agent) for agent in agents}
        changed = {agent.name for agent in agents if agent.record.frozen_at is None}
        errors: dict[str, list[str]] = {agent.name: [] for agent in agents}
        for agent in agents:
            self._services.broker.set_frozen(agent.name, True)
        for name, error in (await self._store(agents, self._clock.now())).items():
            errors[name].append(f"the next daemon does not know it: {error}")
        for name, error in (await self._services.runtime.freeze(list(errors))).items():
            errors[name].append(str(error))
        outcomes = [
            FreezeOutcome(
                agent,
                agent.name in changed,
                "; ".join(errors[agent.name]) or None,
                states[agent.name],
            )
            for agent in agents
        ]
        for outcome in outcomes:
            if outcome.changed or outcome.error:
                self._services.events.record(
                    EventKind.FROZEN, outcome.agent.name, error=outcome.error
                )
        return outcomes

    async def thaw(self, agents: Sequence[Agent]) -> list[FreezeOutcome]:
        """Let agents go on, in their order; one that is not frozen is left as it is.

        An agent whose machine cannot be let go on stays frozen. An `estop` meanwhile wins: all stay
        so.
        """
        states = {agent.name: why_down(agent) for agent in agents}
        stops, frozen = self._stops, {each.name: each for each in agents if each.is_frozen}
        errors: dict[str, HiveError] = dict(await self._services.runtime.thaw(list(frozen)))
        if self._stops != stops:
            await self._services.runtime.freeze(list(frozen))
            errors = dict.fromkeys(frozen, ConflictError("another 'estop' came meanwhile"))
        changed = frozen.keys() - errors.keys()
        writes = {name: self._go_on(agent) for name, agent in frozen.items() if name in changed}
        self._services.gate.wake()
        for name, written in writes.items():
            for error in await asyncio.gather(*written, return_exceptions=True):
                if isinstance(error, HiveError):
                    errors[name] = FailedError(f"the next daemon freezes it again: {error}")
        return [
            FreezeOutcome(
                agent,
                agent.name in changed,
                _sentence(errors.get(agent.name)),
                states[agent.name],
            )
            for agent in agents
        ]

    def _go_on(self, agent: Agent) -> list[asyncio.Future[Any]]:
        """Give an agent its mail again, and record that it is not frozen; return the write."""
        since = agent.record.frozen_at or 0.0
        seconds = round(max(0.0, self._clock.now() - since), 1)
        self._services.broker.set_frozen(agent.name, False)
        self._services.events.record(EventKind.THAWED, agent.name, seconds=seconds)
        return self._services.registry.save_soon(agent, frozen_at=None)

    async def _store(self, agents: Sequence[Agent], now: float) -> dict[str, HiveError]:
        """Store that agents are frozen; return the errors. In memory they are in any case.

        A disk that does not answer delays the stop by `STORE_SECONDS` at most.
        """
        registry = self._services.registry
        writes = {
            agent.name: write
            for agent in agents
            for write in registry.save_soon(agent, frozen_at=agent.record.frozen_at or now)
        }
        if writes:
            await asyncio.wait(writes.values(), timeout=STORE_SECONDS)
        late = FailedError(f"it is not on disk after {STORE_SECONDS:g} s")
        errors: dict[str, HiveError] = {}
        for name, write in writes.items():
            error = write.exception() if write.done() else late
            if error is late:
                self._late.add(write)
                write.add_done_callback(self._written)
            if isinstance(error, HiveError):
                errors[name] = error
            elif error is not None:
                raise error
        return errors

    def _written(self, write: asyncio.Future[None]) -> None:
        self._late.discard(write)
        if not write.cancelled():
            write.exception()  # it was reported as late


def _sentence(error: HiveError | None) -> str | None:
    return None if error is None else str(error)
