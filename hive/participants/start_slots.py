"""Slots for the starts of agents, so that many agents do not all start at once.

Programs that are loaded at the same time only make each other slow: none of them is up earlier, and
the daemon answers late. So an agent has a slot from its start until its harness is connected.
"""

from __future__ import annotations

import asyncio

from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry
from hive.participants.start_queue import StartQueue

SLOT_SECONDS = 30.0
"""Longest time for a slot: who has not connected by then does not hold up others."""


class StartSlots:
    """Gives slots in the order of `StartQueue`, and takes them back.

    Args:
        registry: The agents; each change of one is looked at.
        at_once: Number of slots.
    """

    def __init__(self, registry: Registry, at_once: int) -> None:
        self._registry = registry
        self._queue = StartQueue(at_once)
        self._turns: dict[str, asyncio.Future[None]] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}
        registry.subscribe(self._changed)

    def set_at_once(self, at_once: int) -> None:
        """Change the number of slots."""
        self._queue.at_once = at_once
        self._advance()

    def close(self) -> None:
        """Give no slot any more: the daemon ends."""
        self._queue.at_once = 0

    async def take(self, agent: Agent) -> bool:
        """Return when an agent has a slot; the result is whether it had to wait.

        It is queued meanwhile. A cancellation takes it out of the queue.
        """
        name = agent.name
        turn = self._turns[name] = asyncio.get_running_loop().create_future()
        self._queue.enter(name, requested=agent.start_requested)
        try:
            await asyncio.sleep(0)  # those that may start at the same moment enter before the first
            self._advance()  # goes, so that they go in the order of the queue
            if turn.done():
                return False
            agent.awaits_slot = True
            agent.queued_for = (
                f"other agents start first, {self._queue.at_once} at a time (starts in [machine])"
            )
            self._registry.changed(agent)
            await turn
        except asyncio.CancelledError:
            self.release(agent)
            raise
        finally:
            agent.awaits_slot = False
        return True

    def prefer(self, agent: Agent) -> None:
        """Put an agent that waits before those whose start nobody has requested."""
        self._queue.prefer(agent.name)

    def give_now(self, agent: Agent) -> None:
        """Give a slot to an agent that waits, whatever else starts."""
        self._queue.admit_now(agent.name)
        self._begin(agent.name)

    def release(self, agent: Agent) -> None:
        """Take back the slot of an agent, or its place in the queue."""
        self._release(agent.name)

    def _release(self, name: str) -> None:
        self._turns.pop(name, None)
        end = self._ends.pop(name, None)
        if end is not None:
            end.cancel()
        self._queue.leave(name)
        self._advance()

    def _advance(self) -> None:
        for name in self._queue.advance():
            self._begin(name)

    def _begin(self, name: str) -> None:
        """Let the start of an agent that has got a slot go on."""
        turn = self._turns.pop(name, None)
        if turn is not None and not turn.done():
            loop = asyncio.get_running_loop()
            self._ends[name] = loop.call_later(SLOT_SECONDS, self._release, name)
            turn.set_result(None)

    def _changed(self, participant: Participant) -> None:
        if participant.name in self._ends and _has_started(participant):
            self._release(participant.name)


def _has_started(participant: Participant) -> bool:
    """Return whether an agent needs its slot no longer; one without a harness never connects."""
    if not isinstance(participant, Agent) or participant.running is None:
        return False
    return participant.presence.connected or participant.settings.exec is not None
