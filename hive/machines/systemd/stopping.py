"""Ending a container: request, watch until it is true, and ask for more if it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from attrs import frozen

from hive.errors import FailedError
from hive.machines.systemd.commands import Outcome
from hive.machines.systemd.host import Host
from hive.machines.systemd.slots import Run, Slot
from hive.machines.systemd.states import Stage, Step, in_vain
from hive.machines.systemd.tool import Tool

_TICK = 0.5
"""Seconds between looks while an end is under way, if nothing is heard."""


@frozen
class Stopper:
    """Ends containers. Somebody else looks at them when hinted, and sets `Run.ended`."""

    host: Host
    tool: Tool

    async def stop(self, slot: Slot, run: Run, plan: tuple[Stage, ...]) -> None:
        """Go through the plan until the container has ended.

        Raises:
            FailedError: It runs even after the last stage.
        """
        for stage in plan:
            if run.ended.done():
                return
            if stage.step is Step.KILL or not run.killing.is_set():
                await self._stage(slot, run, stage)
        if not run.ended.done():
            unit = await self.host.unit(slot.unit)
            raise FailedError(
                f"{slot.name} could not be ended: its unit {unit.id} is {unit.active} ({unit.sub}) "
                f"even after a kill; see `systemctl status {unit.id}`"
            )

    async def _stage(self, slot: Slot, run: Run, stage: Stage) -> None:
        """Request once, and wait for the end, a kill, a refusal, or as long as the stage says."""
        request = asyncio.create_task(self._request(slot, stage))
        waits: list[Awaitable[Any]] = [
            asyncio.shield(run.ended),
            self._refused(slot, request),
            _keep_looking(slot),
        ]
        if stage.step is not Step.KILL:
            waits.append(run.killing.wait())
        try:
            await _first_of(waits, stage.patience)
        finally:
            request.cancel()
            await asyncio.wait([request])

    async def _request(self, slot: Slot, stage: Stage) -> Outcome:
        if stage.step is Step.KILL:
            return await self.host.kill(slot.unit, deadline=stage.patience)
        argv = self.tool.end(stage.step, slot.container)
        return await self.host.run(argv, deadline=stage.patience)

    async def _refused(self, slot: Slot, request: asyncio.Task[Outcome]) -> None:
        """Return when the request was refused; never, if it was accepted."""
        outcome = await asyncio.shield(request)
        with suppress(FailedError):  # nobody can say: the effect is waited for
            if in_vain(outcome, await self.host.unit(slot.unit)):
                return
        await asyncio.get_running_loop().create_future()


async def _keep_looking(slot: Slot) -> None:
    while True:
        slot.hinted.set()
        await asyncio.sleep(_TICK)


async def _first_of(waits: list[Awaitable[Any]], within: float) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
