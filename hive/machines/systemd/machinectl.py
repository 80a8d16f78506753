"""Containers by `machinectl`: images in /var/lib/machines, on any host with systemd."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.commands import Run
from hive.machines.systemd.commands import run as run_command
from hive.machines.systemd.containers import ContainerRuntime
from hive.machines.systemd.files import Places
from hive.machines.systemd.host import ANSWER_SECONDS, Host, checked
from hive.machines.systemd.states import RETRY_DELAYS, Step, is_passing
from hive.machines.systemd.units import Settings, nspawn_file
from hive.names import container_name
from hive.paths import Paths

COPY_SECONDS = 900.0
"""How long copying an image, or removing one, may take."""


@frozen
class Machinectl:
    """The `machinectl` program as a tool of the container runtime.

    Attributes:
        image: What new containers are copies of if the agent names nothing of its own: the name
            of an image that machined knows, or the absolute path of a directory or of a tar
            archive; None if all containers exist already.
        settings: Network and users of the containers.
        run: Runs the program.
    """

    image: str | None = None
    settings: Settings = field(factory=Settings)
    run: Run = run_command
    name: str = field(default="machinectl", init=False)
    programs: tuple[str, ...] = field(default=(), init=False)

    def unit(self, container: str) -> str:
        """Return the service that runs a container from /var/lib/machines."""
        return f"systemd-nspawn@{container}.service"

    def files(self, spec: MachineSpec, places: Places) -> Mapping[Path, str]:
        """Return the `.nspawn` file."""
        container = container_name(spec.name)
        text = nspawn_file(spec, places.guest_units(container), self.settings)
        return {places.nspawn_file(container): text}

    def start(self, container: str) -> tuple[str, ...]:
        """Return the command that starts it."""
        return ("machinectl", "start", container)

    def end(self, step: Step, container: str) -> tuple[str, ...]:
        """Return the command that asks it to end."""
        return ("machinectl", step.value, container)

    async def create(self, spec: MachineSpec) -> None:
        """Copy the image if machined knows no image of the container's name.

        Raises:
            FailedError: There is nothing to copy, or it could not be copied.
        """
        container = container_name(spec.name)
        if not await self._exists(container):
            copy = await asyncio.to_thread(copy_command, spec.origin or self.image, container)
            checked(await self.run(copy, deadline=COPY_SECONDS))

    async def update(self, spec: MachineSpec) -> None:
        """Do nothing: a container is a copy of its image, with a life of its own."""

    async def remove(self, container: str) -> None:
        """Remove the container's image. Idempotent.

        Raises:
            FailedError: It could not be removed, even after some patience if it was busy.
        """
        for delay in (*RETRY_DELAYS, None):
            if not await self._exists(container):
                return
            outcome = await self.run(("machinectl", "remove", container), deadline=COPY_SECONDS)
            if delay is None or not (outcome.ok or is_passing(str(outcome))):
                checked(outcome)
                raise FailedError(
                    f"`machinectl remove {container}` says done, but it is still there"
                )
            await asyncio.sleep(0 if outcome.ok else delay)

    async def _exists(self, container: str) -> bool:
        show = ("machinectl", "show-image", "--property=Name", container)
        return (await self.run(show, deadline=ANSWER_SECONDS)).ok


def copy_command(image: str | None, container: str) -> tuple[str, ...]:
    """Return the command that makes a container of an image. Blocks: it looks at a path.

    Raises:
        FailedError: There is no such image.
    """
    if image is None:
        raise FailedError(
            f"there is no container {container} and no image to make it of; "
            f"set the image, or make /var/lib/machines/{container}"
        )
    path = Path(image)
    if not path.is_absolute():
        return ("machinectl", "clone", image, container)
    if path.is_dir():
        return ("machinectl", "import-fs", image, container)
    if path.is_file():
        return ("machinectl", "import-tar", image, container)
    raise FailedError(f"the image {image} does not exist; correct its path")


def runtime(
    paths: Paths, *, image: str | None = None, settings: Settings | None = None, **options: Any
) -> ContainerRuntime:
    """Return the runtime of `runtime = "machinectl"`; see `Machinectl` and `ContainerRuntime`."""
    host = options.pop("host", None) or Host()
    tool = Machinectl(image, settings or Settings(), host.run)
    return ContainerRuntime(tool, paths, host=host, **options)
