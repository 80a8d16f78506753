"""The machine gate: holds starts and turns of agents while the machine is short of something.

It also lets a few agents start at a time, see `start_slots`, and none before host.sock answers.

A start that the operator or the manager requested is not held for pressure: somebody knows why. On
a disk that is nearly full it is refused, since it would fail halfway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from hive.errors import FailedError
from hive.event_log import EventKind, EventLog
from hive.machines.pressure import Gate, PressureGate, Pressures
from hive.participants.freeze_rules import frozen_reason
from hive.participants.participant import Agent
from hive.participants.registry import Registry
from hive.participants.start_slots import StartSlots

RECHECK_SECONDS = 2.0
"""Interval at which a queued agent looks again."""

OPEN_SECONDS = 2.0
"""Seconds between the starts of agents that were queued, once the gate is open."""

OVERDUE_SECONDS = 30.0
"""Seconds between them while the machine has been under pressure for too long."""

Shortage = Callable[[], str | None]
"""Returns which disk is too full, None if none is. May block."""

logger = logging.getLogger(__name__)


class MachineGate:
    """Decides when an agent may start, and whether turns may begin.

    Args:
        pressure: The gate for the pressure of the machine.
        shortage: Looks at the disks.
        registry: The agents.
        events: Records when something begins to be held, and when it ends.
        slots: Lets a few agents start at a time.
    """

    def __init__(
        self,
        pressure: PressureGate,
        shortage: Shortage,
        registry: Registry,
        events: EventLog,
        slots: StartSlots,
    ) -> None:
        self._pressure = pressure
        self._shortage = shortage
        self._registry = registry
        self._events = events
        self.slots = slots
        self._opened = asyncio.Event()
        self._next_start = 0.0
        self._woken = asyncio.Event()
        self._look: asyncio.Future[str | None] | None = None

    @property
    def turns_held(self) -> str | None:
        """Why agents may begin no turn; None if they may."""
        return self._pressure.reason if self._pressure.state is Gate.CLOSED else None

    @property
    def has_limits(self) -> bool:
        """Whether any pressure has a limit."""
        return bool(self._pressure.limits)

    def set_limits(self, limits: Pressures, wait: float, shortage: Shortage) -> None:
        """Change the limits of pressures, the longest wait, and how the disks are looked at."""
        self._pressure.limits, self._pressure.wait = limits, wait
        self._shortage = shortage
        self.wake()

    def update(self, pressures: Pressures) -> None:
        """Take the present pressures; notify all whom a change concerns."""
        if not self._pressure.update(pressures, _now()):
            return
        if self._pressure.state is Gate.CLOSED:
            logger.warning("agents are held: %s", self._pressure.reason)
            self._events.record(EventKind.PRESSURE, reason=self._pressure.reason)
        elif self._pressure.state is Gate.OPEN:
            self._events.record(EventKind.PRESSURE_ENDED, seconds=self._seconds())
        else:
            logger.warning("agents go on one by one after %d s of pressure", self._seconds())
        self.wake()
        for agent in self._registry.agents:
            self._registry.changed(agent)

    def open(self) -> None:
        """Let agents come up from now on: host.sock answers."""
        self._opened.set()

    async def opened(self) -> None:
        """Return when agents may come up."""
        await self._opened.wait()

    def request(self, agent: Agent) -> None:
        """Note that somebody has requested the next start of an agent, and heed that at once."""
        agent.start_requested = True
        self.slots.prefer(agent)
        self.wake()

    def adopt_now(self, agent: Agent) -> None:
        """Let the start of an agent go on that was queued: its container runs already."""
        self.request(agent)
        self.slots.give_now(agent)

    def wake(self) -> None:
        """Let all queued agents look again."""
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()

    async def admit(self, agent: Agent) -> None:
        """Return when an agent may start, with a slot; it is queued until then, with the reason.

        The machine may have become short of something while it waited for its slot.
        """
        try:
            await self._until_not_held(agent)
            while await self.slots.take(agent) and await self._reason(agent, was_held=False):
                self.slots.release(agent)
                await self._until_not_held(agent)
        finally:
            if agent.queued_for is not None:
                agent.queued_for = None
                self._registry.changed(agent)

    async def _until_not_held(self, agent: Agent) -> None:
        was_held = is_known = False
        while (reason := await self._reason(agent, was_held=was_held)) is not None:
            self._queue(agent, reason, is_known=is_known)
            is_known = True
            # What a thaw lets go on waits for its slot only: the machine was short of nothing.
            was_held = not agent.is_frozen
            with suppress(TimeoutError):
                async with asyncio.timeout(RECHECK_SECONDS):
                    await self._woken.wait()

    async def require_disk(self, name: str) -> None:
        """Check the disks before a requested start.

        Raises:
            FailedError: One is nearly full, with path and numbers.
        """
        short = await asyncio.to_thread(self._shortage)
        if short is not None:
            raise FailedError(f"{name!r} is not started: {short}")

    async def _reason(self, agent: Agent, *, was_held: bool) -> str | None:
        frozen = frozen_reason(agent.record)
        if frozen is not None:
            return frozen
        short = await self._look_at_disks()
        if short is not None:  # looked at first: an agent that has to wait anyway takes no turn
            return short
        return None if agent.start_requested else self._held_by_pressure(was_held=was_held)

    def _look_at_disks(self) -> asyncio.Future[str | None]:
        """Return what `shortage` returns; agents that ask at the same time go on together.

        They would otherwise go on in the order in which threads end.
        """
        if self._look is None or self._look.done():
            self._look = asyncio.get_running_loop().run_in_executor(None, self._shortage)
        return asyncio.shield(self._look)

    def _held_by_pressure(self, *, was_held: bool) -> str | None:
        """Return why an automatic start waits; None if it may begin, which takes its turn."""
        state, now = self._pressure.state, _now()
        if state is Gate.CLOSED:
            return self._pressure.reason
        if state is Gate.OPEN and not was_held:
            return None
        if now < self._next_start:
            return self._pressure.reason or "other agents that waited start first"
        self._next_start = now + (OPEN_SECONDS if state is Gate.OPEN else OVERDUE_SECONDS)
        return None

    def _queue(self, agent: Agent, reason: str, *, is_known: bool) -> None:
        if not is_known:
            self._events.record(EventKind.QUEUED, agent.name, reason=reason)
        if agent.queued_for != reason:
            agent.queued_for = reason
            self._registry.changed(agent)

    def _seconds(self) -> int:
        return round(_now() - self._pressure.closed_at)


def _now() -> float:
    return asyncio.get_running_loop().time()
