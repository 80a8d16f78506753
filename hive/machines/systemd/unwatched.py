"""Finds containers that come up although the runtime has not started them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from hive.errors import BadRequestError, HiveError
from hive.machines.operations import Operations
from hive.machines.systemd.container import Container
from hive.machines.systemd.service_manager import ServiceManager
from hive.machines.systemd.unit_state import UnitState
from hive.names import CONTAINER_PREFIX, MANAGER, check_agent_name

OnExternalStart = Callable[[str], Awaitable[None]]
"""Called with the name of an agent whose container runs and is not watched."""

_log = logging.getLogger(__name__)


def agent_of(name: str) -> str | None:
    """Return the agent of a container, by its unit or its machine; None if it is of none.

    Its name says so, whether there is such an agent or not.
    """
    machine = name.partition("@")[2].removesuffix(".service") if "@" in name else name
    if machine == MANAGER:
        return MANAGER
    if not machine.startswith(CONTAINER_PREFIX):
        return None
    try:
        return check_agent_name(machine.removeprefix(CONTAINER_PREFIX))
    except BadRequestError:
        return None


def up_and_unwatched(units: Iterable[UnitState], watched: Iterable[str]) -> list[str]:
    """Return the units that are up and not among those that are watched."""
    known = set(watched)
    return [unit.id for unit in units if unit.active.up and unit.id not in known]


class UnwatchedContainers:
    """Reads the units of unwatched containers after a change, and reports those that are up.

    A look at a unit waits for the operation on its container that is under way: what that starts
    is watched when it is done. A change during a look leads to another look.

    Args:
        systemd: The service manager.
        operations: Has the lock of each agent.
        container_of: Returns the container of an agent.
    """

    def __init__(
        self,
        systemd: ServiceManager,
        operations: Operations,
        container_of: Callable[[str], Container],
    ) -> None:
        self.on_start: OnExternalStart | None = None
        self._systemd = systemd
        self._operations = operations
        self._container_of = container_of
        self._due: set[str] = set()
        self._looks: set[asyncio.Task[None]] = set()

    def look_at(self, name: str) -> None:
        """Look at the container of a unit or machine, unless a look is due already."""
        agent = agent_of(name)
        if agent is None or agent in self._due or self.on_start is None:
            return
        container = self._container_of(agent)
        if container.run is not None or name not in {container.unit, container.machine}:
            return
        self._due.add(agent)
        look = asyncio.create_task(self._look(container), name=f"look at {container.machine}")
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)

    async def close(self) -> None:
        """End all looks."""
        for look in self._looks:
            look.cancel()
        if self._looks:
            await asyncio.wait(self._looks)
        self._due.clear()

    async def _look(self, container: Container) -> None:
        try:
            async with self._operations.lock(container.name):
                self._due.discard(container.name)
                if container.run is not None:
                    return
                unit = await self._systemd.unit_state(container.unit)
            if unit.active.up and self.on_start is not None:
                await self.on_start(container.name)
        except HiveError as error:
            _log.warning("%s: %s", container.name, error)
