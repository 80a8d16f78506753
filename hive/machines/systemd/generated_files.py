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
from hive.machines.systemd.agents_slice import SLICE
from hive.paths import PRIVATE_MODE, SOCKET_DIR_MODE, make_directory

SECRET_MODE = 0o600
"""Permissions of files that contain variables of an agent."""

PUBLIC_MODE = 0o644
"""Permissions of files without secrets; systemd warns about a unit file that others cannot read."""

HEADER = "# Written by hive-c0re"
"""Beginning of every generated file."""

RUN_SUFFIX = ".run"
"""End of the file name of a record of a run."""

LOG_SUFFIX = ".log"
"""End of the file name of nspawn's own messages."""

NAME = "zz-hyperhive.conf"
"""File name of the drop-ins. systemd reads those of all directories in the order of their names, so
that this one prevails over the `override.conf` of `systemctl edit`; see systemd.unit(5)."""

FORMER_NAME = "50-hyperhive.conf"
"""Their name under earlier daemons."""


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

    def former_drop_in(self, unit: str) -> Path:
        """Path of a unit's drop-in under earlier daemons."""
        return self.units / f"{unit}.d" / FORMER_NAME

    def slice_file(self) -> Path:
        """Path of the unit file of the slice that all containers share."""
        return self.units / SLICE

    def nspawn_file(self, machine: str) -> Path:
        """Path of a container's settings."""
        return self.nspawn / f"{machine}.nspawn"

    def run_record(self, machine: str) -> Path:
        """Path of the record of the run of a container that is watched; see `watched_runs`."""
        return self.machines / f"{machine}{RUN_SUFFIX}"

    def nspawn_log(self, unit: str) -> Path:
        """Path of what nspawn itself has said in a unit's last run."""
        return self.machines / f"{unit}{LOG_SUFFIX}"

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


def is_ours(path: Path) -> bool:
    """Return whether a file was written by a daemon of the hive."""
    try:
        with path.open() as file:
            return file.readline().startswith(HEADER)
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def remove_slice(places: Places) -> None:
    """Remove the file of the slice if no container has a drop-in any more.

    Raises:
        FailedError: It cannot be removed.
    """
    if any(next(places.units.glob(f"*.d/{name}"), None) for name in (NAME, FORMER_NAME)):
        return
    path = places.slice_file()
    try:
        # Its directory stays, even if it is empty: its existence says that systemd is booted.
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FailedError(f"{path} cannot be removed: {error}") from error


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
    """Make the agent's own directories, without which nspawn does not start the container.

    Raises:
        FailedError: A directory cannot be made.
    """
    for path in (spec.socket_dir, spec.state_dir):
        try:
            if not path.exists():
                make_directory(path, SOCKET_DIR_MODE)
        except OSError as error:
            raise FailedError(f"{spec.name}: {path} cannot be made: {error}") from error


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
