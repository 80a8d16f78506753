"""Freeze containers by the cgroup freezer: all that runs in their unit, what is nested included.

The kernel stops and continues such processes as one, without a signal that they could see. SIGKILL
ends them in this state, too. See `FreezeUnit` in org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from hive.errors import FailedError
from hive.machines.systemd.service_manager import ServiceManager, checked

FREEZE_SECONDS = 10.0
"""Seconds for systemd and the kernel to freeze a unit or to let it go on."""


@frozen
class ContainerFreezer:
    """Freezes the units of agents' containers.

    Attributes:
        systemd: The service manager.
        unit_of: Returns the unit of an agent's container.
    """

    systemd: ServiceManager
    unit_of: Callable[[str], str]

    async def freeze(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Freeze the containers that are up, all at once; return the errors by agent."""
        found = await asyncio.gather(*(self._act("freeze", self.unit_of(name)) for name in names))
        return {name: error for name, error in zip(names, found, strict=True) if error is not None}

    async def thaw(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Let the containers that are up go on, in this order; return the errors by agent."""
        found = {name: await self._act("thaw", self.unit_of(name)) for name in names}
        return {name: error for name, error in found.items() if error is not None}

    async def _act(self, verb: str, unit: str) -> FailedError | None:
        try:
            if (await self.systemd.unit_state(unit)).active.up:
                act = ("systemctl", verb, "--", unit)
                checked(await self.systemd.run(act, deadline=FREEZE_SECONDS))
        except FailedError as error:
            return error
        return None
