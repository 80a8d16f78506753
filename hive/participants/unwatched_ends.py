"""Ends of agents while no daemon was watching: the next daemon reports each, once.

The agent of such an end is started as at any start of the daemon: the end is no failure of a run
that this daemon has supervised, so it counts against no limit of restarts.
"""

from __future__ import annotations

from attrs import evolve

from hive.errors import HiveError
from hive.event_log import EventKind, EventLog
from hive.machines.runtime import Runtime
from hive.participants.participant import Agent, LastEnd
from hive.participants.registry import Registry


async def report_unwatched_ends(runtime: Runtime, events: EventLog, registry: Registry) -> None:
    """Record such ends of the agents that are not to run; the actors of the others do it."""
    for agent in registry.agents:
        if not agent.is_to_run:
            try:
                await report_unwatched_end(agent, runtime, events, registry)
            except HiveError as error:
                what = f"how its last run ended cannot be found out: {error}"
                events.record(EventKind.TROUBLE, agent.name, what=what)


async def report_unwatched_end(
    agent: Agent, runtime: Runtime, events: EventLog, registry: Registry
) -> None:
    """Record the end of an agent's last run if nobody was watching.

    Raises:
        FailedError: It cannot be found out.
    """
    ended = await runtime.unwatched_end(agent.name)
    if ended is None:
        return
    end = LastEnd.of(ended)
    agent.ended = end = evolve(end, reason=f"{end.reason}, while no daemon was watching")
    events.record(EventKind.ENDED, agent.name, **end.detail())
    registry.save_soon(agent, last_reason=end.reason)
