"""Draining: agents begin no turn any more, and a request waits until those that run have ended.

A drain is a pause of all agents and a wait. It is as durable as a pause: also the next daemon gives
those agents no mail, until `resume`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import frozen

from hive.broker.queries import MailQueries
from hive.participants.lifecycle import Lifecycle
from hive.participants.participant import Agent
from hive.quantities import counted
from hive.wire.enums import ActivityState

LOOK_SECONDS = 0.1
"""Interval at which agents that work are looked at again: nothing announces the end of a lease."""

_BUSY = frozenset({ActivityState.WORKING, ActivityState.COMPACTING})
"""Activities of a harness whose turn has not ended."""


@frozen
class DrainOutcome:
    """What became of an agent by a drain.

    Attributes:
        agent: The agent.
        changed: Whether it was paused by this drain, and not before.
        working: What it still works on; None if it works on nothing.
    """

    agent: Agent
    changed: bool
    working: str | None


def work_of(agent: Agent, held: int) -> str | None:
    """Return what an agent works on, with how that ends if it cannot end by itself; else None.

    Args:
        agent: The agent.
        held: Messages that are leased to it.
    """
    reporter = agent.reporter
    activity = reporter.activity.state if reporter is not None and reporter.activity else None
    if not held and activity not in _BUSY:
        return None
    what = f"holds {counted(held, 'message')}" if held else f"is {activity}"
    return f"{what}, and is frozen: 'hive-c0re thaw {agent.name}'" if agent.is_frozen else what


@frozen
class Drains:
    """Drains agents.

    Attributes:
        lifecycle: Pauses them.
        mail: Knows what they hold.
    """

    lifecycle: Lifecycle
    mail: MailQueries

    async def drain(self, agents: Sequence[Agent], seconds: float) -> list[DrainOutcome]:
        """Pause agents, then wait until they work on nothing, at most some seconds.

        An agent that is resumed meanwhile is not waited for.
        """
        changed = {agent.name for agent in agents if not agent.record.paused}
        for agent in agents:
            if agent.name in changed:
                await self.lifecycle.set_paused(agent.name, paused=True)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._any_works(agents) and loop.time() < until:  # noqa: ASYNC110 - see LOOK_SECONDS
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, until - loop.time())))
        return [
            DrainOutcome(agent, agent.name in changed, self._work_of(agent)) for agent in agents
        ]

    def _any_works(self, agents: Sequence[Agent]) -> bool:
        return any(agent.record.paused and self._work_of(agent) for agent in agents)

    def _work_of(self, agent: Agent) -> str | None:
        return work_of(agent, self.mail.held(agent.name))
