"""Write and remove generated files. Everything here blocks: call it from a thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from hive.errors import FailedError
from hive.machines.runtime import MachineSpec

NAME = "50-hyperhive.conf"
"""File name of the drop-ins."""


@frozen
class Places:
    """Directories of generated files, all of them empty after a boot of the machine.

    Attributes:
        units: systemd's runtime units.
        nspawn: Trusted `.nspawn` files.
        machines: Files of the hive that are bound into containers.
    """

    units: Path
    nspawn: Path
    machines: Path

    @classmethod
    def below(cls, run_dir: Path, systemd: Path = Path("/run/systemd")) -> Places:
        """Return the directories of a hive with this run directory."""
        return cls(systemd / "system", systemd / "nspawn", run_dir / "machines")

    def drop_in(self, unit: str) -> Path:
        """Path of a unit's drop-in."""
        return self.units / f"{unit}.d" / NAME

    def nspawn_file(self, machine: str) -> Path:
        """Path of a container's settings."""
        return self.nspawn / f"{machine}.nspawn"

    def guest_units(self, machine: str) -> Path:
        """Directory of the unit files of a container's agent."""
        return self.machines / machine


def write(files: Mapping[Path, str]) -> tuple[Path, ...]:
    """Write the files whose content differs, each atomically; return their paths.

    Raises:
        FailedError: A file cannot be written.
    """
    return tuple(path for path, text in files.items() if _write(path, text))


def remove(paths: Iterable[Path]) -> None:
    """Remove files, and their directories if these are empty then. Idempotent.

    Raises:
        FailedError: A file cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FailedError(f"{path} cannot be removed: {error}") from error
        with suppress(OSError):  # not empty, or missing
            path.parent.rmdir()


def make_directories(spec: MachineSpec) -> None:
    """Make the directories that are bound into the container: without one, nspawn does not start.

    Raises:
        FailedError: A directory cannot be made, or a read-only bind has no source.
    """
    writable = [bind.source for bind in spec.binds if not bind.read_only]
    for path in (spec.socket_dir, spec.state_dir, *writable):
        try:
            if not path.exists():
                path.mkdir(parents=True)
        except OSError as error:
            raise FailedError(f"{spec.name}: {path} cannot be made: {error}") from error
    for bind in spec.binds:
        if bind.read_only and not bind.source.exists():
            raise FailedError(
                f"{spec.name}: {bind.source}, which is to be visible inside, does not exist; "
                "make it or take it out of the agent's binds"
            )


def _write(path: Path, text: str) -> bool:
    try:
        if path.exists() and path.read_text() == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.chmod(0o644)
        new.replace(path)
    except OSError as error:
        raise FailedError(
            f"{path} cannot be written: {error}; container runtimes need a daemon that is root"
        ) from error
    return True
