"""Writing and removing the generated files. Everything here blocks: call it from a thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from hive.errors import FailedError
from hive.machines.runtime import MachineSpec

NAME = "50-hyperhive.conf"
"""The name of our drop-ins."""


@frozen
class Places:
    """Where generated files go; systemd makes all of them anew at each boot of the machine.

    Attributes:
        units: systemd's runtime units.
        nspawn: The trusted, generated `.nspawn` files.
        machines: Our own directory with what is bound into containers.
    """

    units: Path
    nspawn: Path
    machines: Path

    @classmethod
    def below(cls, run_dir: Path, systemd: Path = Path("/run/systemd")) -> Places:
        """Return the places of a hive with this run directory."""
        return cls(systemd / "system", systemd / "nspawn", run_dir / "machines")

    def drop_in(self, unit: str) -> Path:
        """Our drop-in of a unit."""
        return self.units / f"{unit}.d" / NAME

    def nspawn_file(self, container: str) -> Path:
        """The settings of a container."""
        return self.nspawn / f"{container}.nspawn"

    def guest_units(self, container: str) -> Path:
        """The directory with the unit files of a container's agent."""
        return self.machines / container


def write(files: Mapping[Path, str]) -> tuple[Path, ...]:
    """Write what is not so already, whole or not at all; return which files that were.

    Raises:
        FailedError: A file cannot be written.
    """
    return tuple(path for path, text in files.items() if _write(path, text))


def remove(paths: Iterable[Path]) -> None:
    """Remove files, and the directories that are empty then. Idempotent.

    Raises:
        FailedError: A file cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FailedError(f"{path} cannot be removed: {error}") from error
        with suppress(OSError):  # not empty, or never made
            path.parent.rmdir()


def make_directories(spec: MachineSpec) -> None:
    """Make what is bound into the container: a missing one keeps nspawn from starting it.

    Raises:
        FailedError: One cannot be made, or something else is in its place.
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
