"""The generated files of containers: written before each start, removed with the container."""

from __future__ import annotations

import asyncio
from pathlib import Path

from attrs import field, frozen

from hive.config.model import MachineProtection
from hive.machines.credentials import copy_credentials
from hive.machines.runtime import MachineSpec
from hive.machines.systemd import generated_files, unit_files
from hive.machines.systemd.agents_slice import slice_file
from hive.machines.systemd.backend import Backend
from hive.machines.systemd.container import Container
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.service_manager import ServiceManager


@frozen
class ContainerFiles:
    """Writes and removes the files of containers, and lets systemd read its own again.

    Attributes:
        backend: Has files of its own for each container.
        systemd: The service manager.
        places: Directories of the files.
        protection: Limits of all containers together, and of their output.
    """

    backend: Backend
    systemd: ServiceManager
    places: Places
    protection: MachineProtection
    _writing: asyncio.Lock = field(factory=asyncio.Lock, init=False, eq=False, repr=False)
    """Held while files are changed: that of the slice belongs to all containers."""

    _reloading: asyncio.Lock = field(factory=asyncio.Lock, init=False, eq=False, repr=False)
    """Held while systemd reads its files again, which is for all containers."""

    _is_read: asyncio.Event = field(factory=asyncio.Event, init=False, eq=False, repr=False)
    """Set once systemd has read all that was written. Not at first: an earlier daemon may have been
    killed between the two."""

    async def write(self, container: Container, spec: MachineSpec) -> None:
        """Bring the files of a container in line with its spec.

        Raises:
            FailedError: One cannot be written, or systemd cannot read them.
        """
        async with self._writing:
            written = await asyncio.to_thread(self._write, container, spec)
            drop_in = self.places.drop_in(container.unit)
            if not {drop_in, self.places.slice_file()}.isdisjoint(written):
                self._is_read.clear()
        await self._let_systemd_read()

    async def _let_systemd_read(self) -> None:
        """Return when systemd has read all that was written before this call."""
        async with self._reloading:
            if self._is_read.is_set():
                return
            self._is_read.set()  # a write during the reload clears it again
            try:
                await self.systemd.reload()
            except BaseException:
                self._is_read.clear()
                raise

    async def copy_credentials(self, container: Container, spec: MachineSpec) -> None:
        """Copy the credentials of a container that is about to start."""
        guest = self.places.guest_units(container.machine)
        await asyncio.to_thread(
            copy_credentials, spec.name, spec.credentials, guest / unit_files.CREDENTIALS
        )

    async def remove(self, container: Container) -> None:
        """Remove the files of a container that does not exist any more.

        Raises:
            FailedError: One cannot be removed, or systemd cannot read the others again.
        """
        async with self._writing:
            await asyncio.to_thread(self._remove, container)
        await self.systemd.reload()

    async def forget(self, container: Container) -> None:
        """Remove the files of a container that is left to others. Idempotent.

        Raises:
            FailedError: One cannot be removed, or systemd cannot read the others again.
        """
        async with self._writing:
            await asyncio.to_thread(self._forget, container)
        # Even if nothing was left: a daemon may have been killed before it reloaded.
        await self.systemd.reload()

    def _write(self, container: Container, spec: MachineSpec) -> tuple[Path, ...]:
        guest = self.places.guest_units(container.machine)
        secret = dict(self.backend.files(spec, self.places))
        secret |= {guest / file: text for file, text in unit_files.guest_files(spec).items()}
        public = {
            self.places.slice_file(): slice_file(self.protection),
            self.places.drop_in(container.unit): unit_files.drop_in(
                spec, self.protection, self.places.nspawn_log(container.unit)
            ),
        }
        generated_files.make_private(self.places.machines)
        generated_files.make_directories(spec)
        # The drop-in of an earlier daemon, and the settings of a container of the name under
        # another runtime, which nspawn would read for this one: they give it a range of users.
        former = self.places.former_drop_in(container.unit)
        settings = self.places.nspawn_file(container.machine)
        stale = [path for path in {former, settings} - {*secret} if generated_files.is_ours(path)]
        generated_files.remove(stale)  # before systemd reads the new ones
        return (
            *generated_files.write(secret),
            *generated_files.write(public, generated_files.PUBLIC_MODE),
        )

    def _remove(self, container: Container) -> None:
        guest = self.places.guest_units(container.machine)
        copy_credentials(container.name, {}, guest / unit_files.CREDENTIALS)
        generated_files.remove(self._generated(container))
        generated_files.remove_slice(self.places)

    def _forget(self, container: Container) -> None:
        """Remove what the hive has written about a container."""
        self.backend.forget(container.machine, self.places)
        found = [path for path in self._generated(container) if generated_files.is_ours(path)]
        generated_files.remove(found)
        if found:
            generated_files.remove_slice(self.places)

    def _generated(self, container: Container) -> tuple[Path, ...]:
        guest = self.places.guest_units(container.machine)
        drop_ins = (
            self.places.former_drop_in(container.unit),
            self.places.drop_in(container.unit),
        )
        host = (self.places.nspawn_file(container.machine), *drop_ins)
        # The deepest first, so that each directory is empty when its last file is removed.
        return (*host, *(guest / file for file in reversed(unit_files.GUEST_FILES)))
