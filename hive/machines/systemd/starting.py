"""Starting a container: request, watch until it is true, and retry if the last one blocks it."""

from __future__ import annotations

import asyncio

from attrs import frozen

from hive.errors import FailedError
from hive.machines.systemd.commands import Outcome
from hive.machines.systemd.host import Host
from hive.machines.systemd.journal import REASON_LINES, Journal, newest, trace_of
from hive.machines.systemd.slots import Slot
from hive.machines.systemd.states import (
    RETRY_DELAYS,
    NotStarted,
    Up,
    Wait,
    is_passing,
    judge_start,
)
from hive.machines.systemd.views import View

START_SECONDS = 90.0
"""How long one start may take."""

BELIEF_SECONDS = 5.0
"""How long a command that said "done" is believed while nothing of it is seen."""

_TICK = 0.5
"""Seconds between looks while a start is under way, if nothing is heard."""


@frozen
class Starter:
    """Starts containers.

    Attributes:
        seconds: How long one start may take.
        belief: How long a command that said "done" is believed while nothing of it is seen.
    """

    host: Host
    journal: Journal
    seconds: float = START_SECONDS
    belief: float = BELIEF_SECONDS

    async def start(self, slot: Slot, argv: tuple[str, ...], before: str) -> View:
        """Start a container that is down, and return what is seen of it.

        Args:
            slot: The container.
            argv: The command that starts it.
            before: The InvocationID of its last run, as far as systemd remembers it.

        Raises:
            FailedError: It did not come up; with the words of the tool and of the container.
        """
        for delay in (*RETRY_DELAYS, None):
            verdict, view = await self._try(slot, argv, before)
            if isinstance(verdict, Up):
                return view
            words = await self._words(verdict, view)
            if delay is None or not is_passing(words):
                raise FailedError(f"{slot.name} could not be started: {words}")
            before = view.unit.invocation
            await asyncio.sleep(delay)
        raise AssertionError("the last try either succeeds or raises")

    async def _try(
        self, slot: Slot, argv: tuple[str, ...], before: str
    ) -> tuple[Up | NotStarted, View]:
        command = asyncio.create_task(self.host.run(argv, deadline=self.seconds))
        command.add_done_callback(lambda _: slot.hinted.set())
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        view: View | None = None
        try:
            while True:
                await slot.hint(_TICK)
                outcome = command.result() if command.done() else None
                view = await self._look(slot, view)
                verdict = judge_start(before, view, outcome)
                if not isinstance(verdict, Wait):
                    return verdict, view
                if loop.time() >= until:
                    return NotStarted(outcome), view
                if outcome is not None and outcome.ok:
                    until = min(until, loop.time() + self.belief)
        finally:
            await _cancel(command)

    async def _look(self, slot: Slot, last: View | None) -> View:
        """Look again at what is coming up; machined is not asked twice about the same run."""
        if last is None or not last.registered or not last.unit.invocation:
            return await self.host.view(slot.unit, slot.container)
        unit = await self.host.unit(slot.unit)
        if unit.invocation == last.unit.invocation and not unit.active.down:
            return View(unit, last.leader)
        return View(unit, await self.host.leader(slot.container))

    async def _words(self, verdict: NotStarted, view: View) -> str:
        unit = view.unit
        said = [] if verdict.outcome is None else [_complaint(verdict.outcome)]
        known = "knows" if view.registered else "does not know"
        said.append(f"{unit.id} is {unit.active} ({unit.result}), machined {known} the machine")
        if unit.invocation:
            said += newest(await self.journal.run_of(trace_of(unit)), REASON_LINES)
        return "\n".join(said)


def _complaint(outcome: Outcome) -> str:
    return f"{outcome}, but it does not run" if outcome.ok else str(outcome)


async def _cancel(task: asyncio.Task[Outcome]) -> None:
    task.cancel()
    await asyncio.wait([task])
