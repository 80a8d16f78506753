"""The `machinectl` backend: images in /var/lib/machines, on any host with systemd."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.container_runtime import ContainerRuntime
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.service_manager import ANSWER_SECONDS, ServiceManager, checked
from hive.machines.systemd.transitions import RETRY_DELAYS, StopRequest, is_transient
from hive.machines.systemd.unit_files import Settings, nspawn_file
from hive.names import container_name
from hive.paths import Paths
from hive.subprocesses import RunCommand, run_command

COPY_SECONDS = 900.0
"""Deadline in seconds for copying or removing an image."""


@frozen
class Machinectl:
    """The `machinectl` program as a backend of the container runtime.

    Attributes:
        image: Image to copy for new containers whose agent names none: the name of an image in
            machined, or the absolute path of a directory or of a tar archive; None if all
            containers exist already.
        settings: Network and users of the containers.
        run: Runs the program.
    """

    image: str | None = None
    settings: Settings = field(factory=Settings)
    run: RunCommand = run_command
    name: str = field(default="machinectl", init=False)
    programs: tuple[str, ...] = field(default=(), init=False)

    def unit(self, machine: str) -> str:
        """Return the service that runs a container from /var/lib/machines."""
        return f"systemd-nspawn@{machine}.service"

    def files(self, spec: MachineSpec, places: Places) -> Mapping[Path, str]:
        """Return the `.nspawn` file."""
        machine = container_name(spec.name)
        text = nspawn_file(spec, places.guest_units(machine), self.settings)
        return {places.nspawn_file(machine): text}

    def start(self, machine: str) -> tuple[str, ...]:
        """Return the command that starts a container."""
        return ("machinectl", "start", machine)

    def end(self, request: StopRequest, machine: str) -> tuple[str, ...]:
        """Return the command that ends a container politely."""
        return ("machinectl", request.value, machine)

    async def create(self, spec: MachineSpec) -> None:
        """Copy the image unless machined has an image of the container's name.

        Raises:
            FailedError: There is no image to copy, or it could not be copied.
        """
        machine = container_name(spec.name)
        if not await self._exists(machine):
            copy = await asyncio.to_thread(copy_command, spec.origin or self.image, machine)
            checked(await self.run(copy, deadline=COPY_SECONDS))

    async def update(self, spec: MachineSpec) -> None:
        """Do nothing: a container is an independent copy of its image."""

    async def remove(self, machine: str) -> None:
        """Remove the container's image. Idempotent.

        Raises:
            FailedError: It could not be removed, even by retries while it was busy.
        """
        for delay in (*RETRY_DELAYS, None):
            if not await self._exists(machine):
                return
            outcome = await self.run(("machinectl", "remove", machine), deadline=COPY_SECONDS)
            if delay is None or not (outcome.ok or is_transient(str(outcome))):
                checked(outcome)
                raise FailedError(
                    f"`machinectl remove {machine}` reported success, but the image still exists"
                )
            await asyncio.sleep(0 if outcome.ok else delay)

    async def _exists(self, machine: str) -> bool:
        show = ("machinectl", "show-image", "--property=Name", machine)
        return (await self.run(show, deadline=ANSWER_SECONDS)).ok


def copy_command(image: str | None, machine: str) -> tuple[str, ...]:
    """Return the command that makes a container from an image.

    Blocks, because it checks the file system.

    Raises:
        FailedError: There is no such image.
    """
    if image is None:
        raise FailedError(
            f"there is no container {machine} and no image to make it of; "
            f"set the image, or make /var/lib/machines/{machine}"
        )
    path = Path(image)
    if not path.is_absolute():
        return ("machinectl", "clone", image, machine)
    if path.is_dir():
        return ("machinectl", "import-fs", image, machine)
    if path.is_file():
        return ("machinectl", "import-tar", image, machine)
    raise FailedError(f"the image {image} does not exist; correct its path")


def runtime(
    paths: Paths, *, image: str | None = None, settings: Settings | None = None, **options: Any
) -> ContainerRuntime:
    """Return the runtime of `runtime = "machinectl"`; see `Machinectl` and `ContainerRuntime`."""
    systemd = options.pop("systemd", None) or ServiceManager()
    backend = Machinectl(image, settings or Settings(), systemd.run)
    return ContainerRuntime(backend, paths, systemd=systemd, **options)
