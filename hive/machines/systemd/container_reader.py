"""Reads what describes a container of this machine: its unit and its files. Changes nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from attrs import field, frozen

from hive.errors import FailedError
from hive.machines.found_container import FoundContainer
from hive.machines.observer import units_of
from hive.machines.systemd.container_settings import (
    SHOWN,
    machine_of,
    of_unit,
    with_conf,
    with_nspawn,
)
from hive.machines.systemd.generated_files import is_ours
from hive.machines.systemd.nixos_places import NixosPlaces, read_conf_file
from hive.machines.systemd.service_manager import ANSWER_SECONDS, checked
from hive.machines.systemd.unit_state import properties
from hive.subprocesses import RunCommand, run_command

NSPAWN_DIRECTORIES = (
    Path("/etc/systemd/nspawn"),
    Path("/run/systemd/nspawn"),
    Path("/var/lib/machines"),
)
"""Directories of `.nspawn` files; the first file counts, see systemd.nspawn(5)."""


@frozen
class SystemdContainerReader:
    """Implements `hive.machines.found_container.ContainerReader`.

    Attributes:
        run: Runs `systemctl show`, and nothing else.
        nspawn: Directories of `.nspawn` files.
        nixos: NixOS's directories of containers.
        images: Directory of machined's images.
    """

    run: RunCommand = run_command
    nspawn: tuple[Path, ...] = NSPAWN_DIRECTORIES
    nixos: NixosPlaces = field(factory=NixosPlaces)
    images: Path = field(default=Path("/var/lib/machines"))

    async def read(self, subject: str) -> FoundContainer | None:
        """Return the container of a unit or of a machine's name; None if there is none.

        A template's unit exists for any name, so a container also has an image, a `.nspawn` or a
        `.conf` file, or a unit file of its own.

        Raises:
            FailedError: systemd gives no answer, or a file cannot be read.
        """
        show = ("systemctl", "show", f"--property={','.join(SHOWN)}", "--", *units_of(subject))
        outcome = checked(await self.run(show, deadline=ANSWER_SECONDS))
        for block in outcome.out.strip().split("\n\n"):
            shown = properties(block)
            unit = shown.get("Id", "")
            machine = machine_of(unit)
            if machine is None or shown.get("LoadState") != "loaded":
                continue
            found = of_unit(shown, machine)
            described = await asyncio.to_thread(self._with_files, found)
            if described is not None or found.declared:
                return described or found
        return None

    def _with_files(self, found: FoundContainer) -> FoundContainer | None:
        """Add what the files of a container say; None if it has none."""
        try:
            if found.unit.startswith("container@"):
                conf = self.nixos.conf(found.machine)
                if not conf.exists():
                    return None
                return with_conf(found, read_conf_file(conf), declared=conf.is_symlink())
            for directory in self.nspawn:
                path = directory / f"{found.machine}.nspawn"
                if path.exists() and not is_ours(path):
                    return with_nspawn(found, path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise FailedError(
                f"what describes the container {found.machine} cannot be read: {error}; "
                "correct that file"
            ) from error
        image = self.images / found.machine
        return found if image.exists() or image.with_name(f"{image.name}.raw").exists() else None
