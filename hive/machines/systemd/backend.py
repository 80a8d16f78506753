"""The interface by which `machinectl` and `nixos-container` differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from hive.machines.runtime import MachineSpec, ignore_line
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.transitions import StopRequest
from hive.subprocesses import OnLine


class Backend(Protocol):
    """A program that makes containers and requests their start and end from systemd."""

    @property
    def name(self) -> str:
        """Name of the runtime in hive.toml."""
        ...

    @property
    def programs(self) -> tuple[str, ...]:
        """Further programs that have to be on PATH."""
        ...

    def unit(self, machine: str) -> str:
        """Return the name of a container's service; `h-*` gives the pattern of all."""
        ...

    def files(self, spec: MachineSpec, places: Places) -> Mapping[Path, str]:
        """Return the files to generate, apart from the drop-in and the agent's unit.

        Blocks: it may read existing files.
        """
        ...

    def prepare(self, spec: MachineSpec, places: Places) -> None:
        """Give the files of a stopped container to its users. Blocks. Idempotent.

        Raises:
            FailedError: An owner cannot be changed.
        """
        ...

    def start(self, machine: str) -> tuple[str, ...]:
        """Return the command that starts a container."""
        ...

    def end(self, request: StopRequest, machine: str) -> tuple[str, ...]:
        """Return the command that ends a container politely; `request` is never `KILL`."""
        ...

    async def create(self, spec: MachineSpec) -> bool:
        """Make the container if it does not exist; return whether it did not. Idempotent.

        Raises:
            FailedError: It could not be made, with the program's own words.
        """
        ...

    async def update(self, spec: MachineSpec, on_line: OnLine = ignore_line) -> None:
        """Rebuild the container's system if it is built at all.

        Raises:
            FailedError: The build failed, with the program's own words.
        """
        ...

    async def remove(self, machine: str) -> None:
        """Remove the container. Idempotent.

        Raises:
            FailedError: It could not be removed, with the program's own words.
        """
        ...

    def forget(self, machine: str, places: Places) -> None:
        """Undo what `files` has changed in the container's own files. Blocks. Idempotent.

        Raises:
            FailedError: A file cannot be written.
        """
        ...

    async def can_rename(self, old: str, new: str) -> bool:
        """Return whether there is a container of this name, which can be renamed while it is down.

        Raises:
            ConflictError: Something has the new name.
            FailedError: It belongs to the host's own configuration, or cannot be renamed.
        """
        ...

    async def rename(self, old: str, new: str) -> None:
        """Rename a stopped container, or go on with that; only called after `can_rename`.

        Raises:
            FailedError: It could not be renamed, with the program's own words.
        """
        ...
