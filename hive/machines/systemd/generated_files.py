"""Write and remove generated files. Everything here blocks: call it from a thread.

Most of them contain variables of the agent, which may be secrets: only root may read these.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.paths import PRIVATE_MODE, SOCKET_DIR_MODE, make_directory

SECRET_MODE = 0o600
"""Permissions of files that contain variables of an agent."""

PUBLIC_MODE = 0o644
"""Permissions of files without secrets; systemd warns about a unit file that others cannot read."""

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


def write(files: Mapping[Path, str], mode: int = SECRET_MODE) -> tuple[Path, ...]:
    """Write the files whose content differs, each atomically; return their paths.

    Args:
        files: Texts by path.
        mode: Permissions of the files, for any umask; also of those whose content is the same.

    Raises:
        FailedError: A file cannot be written.
    """
    return tuple(path for path, text in files.items() if _write(path, text, mode))


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


def make_private(directory: Path) -> None:
    """Make a directory that only the daemon may enter, or take the rights of others from it.

    Raises:
        FailedError: It cannot be made.
    """
    try:
        make_directory(directory, PRIVATE_MODE, narrow=True)
    except OSError as error:
        raise _unwritable(directory, error) from error


def make_directories(spec: MachineSpec) -> None:
    """Make the directories that are bound into the container: without one, nspawn does not start.

    Raises:
        FailedError: A directory cannot be made, or a read-only bind has no source.
    """
    writable = [bind.source for bind in spec.binds if not bind.read_only]
    for path in (spec.socket_dir, spec.state_dir, *writable):
        try:
            if not path.exists():
                make_directory(path, SOCKET_DIR_MODE)
        except OSError as error:
            raise FailedError(f"{spec.name}: {path} cannot be made: {error}") from error
    for bind in spec.binds:
        if bind.read_only and not bind.source.exists():
            raise FailedError(
                f"{spec.name}: {bind.source}, which is to be visible inside, does not exist; "
                "make it or take it out of the agent's binds"
            )


def _write(path: Path, text: str, mode: int) -> bool:
    try:
        if path.exists() and path.read_text() == text:
            if stat.S_IMODE(path.stat().st_mode) != mode:
                path.chmod(mode)
            return False
        make_directory(path.parent, PRIVATE_MODE if mode == SECRET_MODE else SOCKET_DIR_MODE)
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "w") as file:  # noqa: PTH123 - an open file
            file.write(text)
            os.fchmod(descriptor, mode)
        new.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return True


def _unwritable(path: Path, error: OSError) -> FailedError:
    return FailedError(
        f"{path} cannot be written: {error}; container runtimes need a daemon that is root"
    )
