"""File locks, which the kernel releases at the end of their process (flock(2)).

The file contains the pid of the process that locked it last. The existence of the file locks
nothing. A user who can open it, if only to read, can also hold the lock; so others must not.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hive.errors import ConflictError, FailedError
from hive.paths import RUN_DIR_MODE, make_directory


class LockHeldError(Exception):
    """The file is locked already.

    Attributes:
        pid: Process that holds the lock, from the file; empty if that could not be written.
    """

    def __init__(self, path: Path, pid: str) -> None:
        super().__init__(f"{path} is locked by process {pid or 'unknown'}")
        self.pid = pid


class FileLock:
    """An exclusive lock, held by an open file.

    A file that other users may open, for instance from an earlier version, is replaced, since one
    of them may hold its lock or wait for it. It is not replaced while the process whose pid it
    contains has it open: that process holds the lock.

    Args:
        path: The file; it is created if it is missing, and never removed.
        mode: Permissions of a created file.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self.path = path
        self._mode = mode
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Acquire the lock and write the pid into its file.

        Raises:
            LockHeldError: Another process, or another lock of this one, holds it.
            OSError: The file cannot be opened.
        """
        descriptor = self._open(self.path, os.O_NOFOLLOW)
        locked = _lock(descriptor)
        if not _is_private(descriptor) and (locked or not _is_holder(_pid(descriptor), descriptor)):
            os.close(descriptor)
            descriptor, locked = self._replace(), True
        if not locked:
            pid = _pid(descriptor)
            os.close(descriptor)
            raise LockHeldError(self.path, pid)
        with suppress(OSError):  # on a full disk; the lock does not need the pid
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def _open(self, path: Path, flags: int) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, self._mode)

    def _replace(self) -> int:
        """Put a new, locked file in place of one that other users may open."""
        new = self.path.with_name(f"{self.path.name}.new")
        new.unlink(missing_ok=True)
        descriptor = self._open(new, os.O_EXCL)
        try:
            _lock(descriptor)
            new.replace(self.path)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def release(self) -> None:
        """Release the lock. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class DaemonLock(FileLock):
    """The lock of a directory, held while its daemon runs.

    Args:
        path: The lock file.
        variable: The environment variable that names the directory, for error messages.
    """

    def __init__(self, path: Path, variable: str) -> None:
        super().__init__(path, 0o600)
        self._variable = variable

    def acquire(self) -> None:
        """Take the lock and write our pid into it.

        Raises:
            ConflictError: When another daemon holds it, with its pid.
            FailedError: When the file cannot be opened.
        """
        try:
            make_directory(self.path.parent, RUN_DIR_MODE)
            super().acquire()
        except OSError as error:
            raise FailedError(
                f"cannot open the lock file {self.path}: {error.strerror}; "
                f"check the owner of its directory, or set {self._variable}"
            ) from error
        except LockHeldError as held:
            holder = f" (pid {held.pid})" if held.pid else ""
            raise ConflictError(
                f"another hive-c0re{holder} already serves {self.path.parent}; "
                f"'hive-c0re shutdown' ends it, or choose another {self._variable}"
            ) from None


def _lock(descriptor: int) -> bool:
    """Try to lock an open file; return whether that succeeded."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _pid(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode(errors="replace").strip()


def _is_private(descriptor: int) -> bool:
    """Return whether only root and the user of this process may open the file."""
    found = os.fstat(descriptor)
    return found.st_uid in {0, os.geteuid()} and not stat.S_IMODE(found.st_mode) & 0o077


def _is_holder(pid: str, descriptor: int) -> bool:
    """Return whether the process has the open file, too. Only its owner can write a pid into it."""
    ours = os.fstat(descriptor)
    if not pid.isdecimal():
        return False
    own = str(descriptor) if int(pid) == os.getpid() else None
    return any(os.path.samestat(ours, found) for found in _open_files(pid, without=own))


def _open_files(pid: str, *, without: str | None) -> Iterator[os.stat_result]:
    with suppress(OSError):  # no such process, or that of another user
        for link in Path("/proc", pid, "fd").iterdir():
            if link.name != without:
                with suppress(OSError):  # closed meanwhile
                    yield link.stat()
