"""Take over a container that was not made by the hive: it gets the name of an agent's container."""

from __future__ import annotations

import asyncio

from attrs import frozen

from hive.errors import ConflictError, FailedError
from hive.machines.systemd.backend import Backend
from hive.machines.systemd.service_manager import ServiceManager, checked

STOP_SECONDS = 300.0
"""Time limit in seconds of the stop of a container; its unit has a stop timeout of its own."""

_POLL_SECONDS = 0.5
"""Interval at which machined is asked whether it has unregistered the container."""

_UNREGISTER_SECONDS = 15.0


@frozen
class MachineTakeover:
    """Renames containers, which must be stopped for it.

    Attributes:
        systemd: The service manager.
        backend: The program that renames containers.
    """

    systemd: ServiceManager
    backend: Backend

    async def find(self, machine: str, own: str, *, stop: bool) -> bool:
        """Return whether there is a container to take over; False also if it was done already.

        Args:
            machine: Its name.
            own: The name of the agent's container.
            stop: Whether it may be stopped.

        Raises:
            ConflictError: It runs, or both exist.
            FailedError: The backend cannot rename it.
        """
        if machine == own or not await self.backend.can_rename(machine, own):
            return False
        if not stop and await self._is_running(machine):
            raise ConflictError(
                f"the container {machine} runs, and only a stopped one can become {own}; stop it "
                f"('systemctl stop {self.backend.unit(machine)}'), or repeat this with '--stop'"
            )
        return True

    async def carry_out(self, machine: str, own: str, *, stop: bool) -> None:
        """Stop the container if it runs and may be stopped, then rename it. Idempotent.

        Raises:
            ConflictError: As `find`.
            FailedError: It did not stop, or could not be renamed.
        """
        if not await self.find(machine, own, stop=stop):
            return
        if await self._is_running(machine):
            await self._stop(machine)
        await self.backend.rename(machine, own)

    async def _is_running(self, machine: str) -> bool:
        state = await self.systemd.container_state(self.backend.unit(machine), machine)
        return state.registered or not state.unit.active.down

    async def _stop(self, machine: str) -> None:
        stop = ("systemctl", "stop", "--", self.backend.unit(machine))
        checked(await self.systemd.run(stop, deadline=STOP_SECONDS))
        loop = asyncio.get_running_loop()
        until = loop.time() + _UNREGISTER_SECONDS
        while await self._is_running(machine):
            if loop.time() >= until:
                raise FailedError(
                    f"the container {machine} runs although its unit was stopped; "
                    f"see `machinectl status {machine}`"
                )
            await asyncio.sleep(_POLL_SECONDS)
