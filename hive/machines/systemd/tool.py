"""What differs between `machinectl` and `nixos-container`; the rest is the runtime's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from hive.machines.runtime import MachineSpec
from hive.machines.systemd.files import Places
from hive.machines.systemd.states import Step


class Tool(Protocol):
    """A program that makes containers and asks systemd to start and end them."""

    @property
    def name(self) -> str:
        """The name used in hive.toml."""
        ...

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs that have to be on PATH."""
        ...

    def unit(self, container: str) -> str:
        """Return the service that a container is; `h-*` gives the pattern of all."""
        ...

    def files(self, spec: MachineSpec, places: Places) -> Mapping[Path, str]:
        """Return the files to generate for it, apart from the drop-in and the agent's unit.

        Blocks: it may read the files that are there.
        """
        ...

    def start(self, container: str) -> tuple[str, ...]:
        """Return the command that starts it."""
        ...

    def end(self, step: Step, container: str) -> tuple[str, ...]:
        """Return the command that asks it to end; never called for `Step.KILL`."""
        ...

    async def create(self, spec: MachineSpec) -> None:
        """Make the container's files if they are not there. Idempotent.

        Raises:
            FailedError: It could not be made, in the program's own words.
        """
        ...

    async def update(self, spec: MachineSpec) -> None:
        """Build anew what the container is made of, if it is built at all.

        Raises:
            FailedError: It did not build, in the program's own words.
        """
        ...

    async def remove(self, container: str) -> None:
        """Remove the container's files. Idempotent.

        Raises:
            FailedError: They could not be removed, in the program's own words.
        """
        ...
