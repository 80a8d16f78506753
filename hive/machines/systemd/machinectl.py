"""The `machinectl` backend: images in /var/lib/machines, on any host with systemd."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from hive.errors import ConflictError, FailedError
from hive.machines.runtime import MachineSpec, ignore_line
from hive.machines.systemd.archive_size import archive_size
from hive.machines.systemd.bind_sources import require_devices, require_sources
from hive.machines.systemd.container_runtime import ContainerRuntime
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.idmapped_mounts import can_map
from hive.machines.systemd.image_copy import (
    IMAGES,
    ImageCopy,
    ImageSize,
    image_size,
    incomplete,
    is_complete,
    path_of,
)
from hive.machines.systemd.owners import (
    give_group,
    is_shifted,
    owner_ranges,
    shift_owners,
)
from hive.machines.systemd.service_manager import ANSWER_SECONDS, ServiceManager, checked
from hive.machines.systemd.transitions import RETRY_DELAYS, StopRequest, is_transient
from hive.machines.systemd.unit_files import CREDENTIALS, Settings, device_binds, nspawn_file
from hive.machines.systemd.user_ranges import UserRange, choose, range_of
from hive.names import container_name
from hive.paths import Paths
from hive.subprocesses import OnLine, RunCommand, run_command

CLONE = "clone"
"""The verb that copies an image of machined."""

IMPORT_TAR = "import-tar"
"""The verb that makes an image of a tar archive."""

COPY_SECONDS = 900.0
"""Deadline in seconds for copying or removing an image."""

_NO_IMAGE = "no image"
"""What machined says about an image that it does not have."""

_EXISTS = "exists"
"""What `machinectl` says if the target of a copy is there already."""


@frozen
class Machinectl:
    """The `machinectl` program as a backend of the container runtime.

    Attributes:
        image: Image to copy for new containers whose agent names none: the name of an image in
            machined, or the absolute path of a directory or of a tar archive; None if all
            containers exist already.
        settings: Network and users of the containers.
        images: Directory of machined's images.
        run: Runs the program.
        can_map: Whether the kernel can map the owners of a bind of a path.
    """

    image: str | None = None
    settings: Settings = field(factory=Settings)
    images: Path = IMAGES
    run: RunCommand = run_command
    can_map: Callable[[Path], bool] = can_map
    name: str = field(default="machinectl", init=False)
    programs: tuple[str, ...] = field(default=(), init=False)
    _copies: dict[str, asyncio.Task[bool]] = field(factory=dict, init=False, eq=False, repr=False)

    def unit(self, machine: str) -> str:
        """Return the service that runs a container from /var/lib/machines."""
        return f"systemd-nspawn@{machine}.service"

    def files(self, spec: MachineSpec, places: Places) -> Mapping[Path, str]:
        """Return the `.nspawn` file."""
        machine = container_name(spec.name)
        users = self._users(spec, places)
        text = nspawn_file(spec, places.guest_units(machine), self.settings, users)
        return {places.nspawn_file(machine): text}

    def prepare(self, spec: MachineSpec, places: Places) -> None:
        """Give the files of a stopped container to its users, and make the sources of binds.

        nspawn gives the image to a range; here it is taken back if the container has none any more.

        Raises:
            FailedError: An owner cannot be changed, or the source of a bind is missing.
        """
        users = self._users(spec, places) or UserRange()
        require_sources(spec.name, (*spec.binds, *self.settings.binds), users.owner_of)
        require_devices(spec.name, device_binds(spec))
        try:
            self._give_files(spec, places.guest_units(container_name(spec.name)), places)
        except OSError as error:
            raise FailedError(
                f"{spec.name}: the owner of a file cannot be changed: {error}; set private_users "
                "to false, or put the hive's directories on a file system such as ext4"
            ) from error

    def _give_files(self, spec: MachineSpec, guest_units: Path, places: Places) -> None:
        users = self._users(spec, places) or UserRange()
        image = self.images / container_name(spec.name)
        large = {spec.state_dir: users.owner_of(spec.state_dir)}
        if not self._is_private(spec) and image.is_dir():
            large[image] = 0
        for tree, first in large.items():
            if not is_shifted(tree, first):
                shift_owners(tree, first)
        if guest_units.is_dir():  # its files may be new in an older directory
            shift_owners(guest_units, users.owner_of(guest_units))
        # A mapped socket of a group that is not mapped could not be connected to.
        give_group(spec.socket_dir, users.owner_of(spec.socket_dir) or None)

    def _users(self, spec: MachineSpec, places: Places) -> UserRange | None:
        """Return the range of a container's users; None for those of the host."""
        if not self._is_private(spec):
            return None
        machine = container_name(spec.name)
        units = places.guest_units(machine)
        secrets = (units / CREDENTIALS,) if spec.credentials else ()
        theirs = (*spec.binds, *device_binds(spec), *self.settings.binds)
        made = [bind.source for bind in theirs if bind.create]
        own = (spec.socket_dir, spec.state_dir, units, *secrets, *made)
        others = [bind.source for bind in theirs if not bind.create]

        def first() -> int:
            present = owner_ranges((spec.socket_dir, spec.state_dir, *made))
            return choose(machine, min(present, default=None), self._taken(spec))

        return range_of(own, others, self.can_map, first)

    def _taken(self, spec: MachineSpec) -> set[int]:
        """Return the ranges that files of other containers belong to."""
        groups = {
            spec.socket_dir: spec.socket_dir.parent.glob("*"),
            spec.state_dir: spec.state_dir.parent.parent.glob(f"*/{spec.state_dir.name}"),
            self.images / container_name(spec.name): self.images.glob("*"),
        }
        return owner_ranges(path for own, paths in groups.items() for path in paths if path != own)

    def _is_private(self, spec: MachineSpec) -> bool:
        own = spec.private_users
        return self.settings.private_users if own is None else own

    def start(self, machine: str) -> tuple[str, ...]:
        """Return the command that starts a container."""
        return ("machinectl", "start", machine)

    def end(self, request: StopRequest, machine: str) -> tuple[str, ...]:
        """Return the command that ends a container politely."""
        return ("machinectl", request.value, machine)

    async def create(self, spec: MachineSpec) -> bool:
        """Copy the image unless machined has an image of the container's name, and verify the copy.

        Returns whether it was copied. A copy that an earlier daemon has not verified is removed and
        made again.

        A copy cannot be interrupted: machined makes it. After a cancellation it goes on, and the
        next call waits for it.

        Raises:
            FailedError: There is no image to copy, there is no room for it, or it could not be
                copied; an incomplete copy is removed. Or machined gave no answer.
        """
        machine = container_name(spec.name)
        if machine not in self._copies:
            self._copies[machine] = copy = asyncio.create_task(self._copy(spec, machine))
            copy.add_done_callback(lambda done: self._end_copy(machine, done))
        return await asyncio.shield(self._copies[machine])

    def _end_copy(self, machine: str, copy: asyncio.Task[bool]) -> None:
        del self._copies[machine]
        if not copy.cancelled():
            copy.exception()  # retrieved: its caller may have been cancelled

    async def _copy(self, spec: MachineSpec, machine: str) -> bool:
        made = ImageCopy(machine, self.images)
        if await self.exists(machine):
            if not await asyncio.to_thread(lambda: made.is_unverified):
                return False
            await self.remove(machine)
        command = await asyncio.to_thread(copy_command, spec.origin or self.image, machine)
        size = await asyncio.to_thread(_size_of, command, self.images)
        await asyncio.to_thread(made.require_room, size)
        await asyncio.to_thread(made.begin, size)
        outcome = await self.run(command, deadline=COPY_SECONDS)
        copied = await asyncio.to_thread(made.size)
        if outcome.ok and is_complete(copied, size):
            await asyncio.to_thread(made.end)
            return True
        if outcome.status is None:  # its mark stays: the next start copies again
            raise FailedError(f"{outcome}; machined may still copy, start the agent again later")
        if not outcome.ok and _EXISTS in outcome.err.casefold():
            await asyncio.to_thread(made.end)
            raise FailedError(f"{outcome}; another program has made {machine} during the copy")
        await self.remove(machine)
        why = incomplete(copied, size) if outcome.ok else str(outcome)
        raise await asyncio.to_thread(made.failure, why, size)

    async def update(self, spec: MachineSpec, on_line: OnLine = ignore_line) -> None:
        """Do nothing: a container is an independent copy of its image."""

    async def remove(self, machine: str) -> None:
        """Remove the container's image, also one that is being copied. Idempotent.

        Raises:
            FailedError: It could not be removed, even by retries while it was busy.
        """
        copy = self._copies.get(machine)
        if copy is not None and copy is not asyncio.current_task():
            await asyncio.wait([copy])
        for delay in (*RETRY_DELAYS, None):
            if not await self.exists(machine):
                await asyncio.to_thread(ImageCopy(machine, self.images).end)
                return
            outcome = await self.run(("machinectl", "remove", machine), deadline=COPY_SECONDS)
            if delay is None or not (outcome.ok or is_transient(str(outcome))):
                checked(outcome)
                raise FailedError(
                    f"`machinectl remove {machine}` reported success, but the image still exists"
                )
            await asyncio.sleep(0 if outcome.ok else delay)

    def forget(self, machine: str, places: Places) -> None:
        """Do nothing: an image has no file of the hive."""

    async def can_rename(self, old: str, new: str) -> bool:
        """Return whether there is an image of this name.

        Raises:
            ConflictError: There is one of the new name, too.
        """
        if not await self.exists(old):
            return False
        if await self.exists(new):
            raise ConflictError(
                f"there are a container {old} and a container {new}; remove or rename the one "
                "that the agent is not to run in"
            )
        return True

    async def rename(self, old: str, new: str) -> None:
        """Rename a stopped container's image.

        Raises:
            FailedError: It could not be renamed, even by retries while it was busy.
        """
        for delay in (*RETRY_DELAYS, None):
            outcome = await self.run(("machinectl", "rename", old, new), deadline=ANSWER_SECONDS)
            if outcome.ok:
                return
            if delay is None or not is_transient(str(outcome)):
                checked(outcome)
            await asyncio.sleep(delay or 0)

    async def exists(self, machine: str) -> bool:
        """Return whether machined has an image of this name.

        Raises:
            FailedError: machined gave no answer. An image that is taken for missing would be made
                again, and removed when that fails.
        """
        show = ("machinectl", "show-image", "--property=Name", machine)
        outcome = await self.run(show, deadline=ANSWER_SECONDS)
        if not outcome.ok and _NO_IMAGE not in outcome.err.casefold():
            raise FailedError(f"{outcome}; see 'systemctl status systemd-machined'")
        return outcome.ok


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
        return ("machinectl", CLONE, image, machine)
    if path.is_dir():
        return ("machinectl", "import-fs", image, machine)
    if path.is_file():
        return ("machinectl", IMPORT_TAR, image, machine)
    raise FailedError(f"the image {image} does not exist; correct its path")


def _size_of(command: tuple[str, ...], images: Path) -> ImageSize:
    """Return the size of the image that a command copies; that of nothing if it is unknown."""
    verb, image = command[1:3]
    if verb == IMPORT_TAR:
        return archive_size(Path(image)) or ImageSize()
    return image_size(path_of(image, images) if verb == CLONE else Path(image))


def runtime(
    paths: Paths, *, image: str | None = None, settings: Settings | None = None, **options: Any
) -> ContainerRuntime:
    """Return the runtime of `runtime = "machinectl"`; see `Machinectl` and `ContainerRuntime`."""
    systemd = options.pop("systemd", None) or ServiceManager()
    backend = Machinectl(image, settings or Settings(), run=systemd.run)
    return ContainerRuntime(backend, paths, systemd=systemd, **options)
