"""File locks, which the kernel releases at the end of their process (flock(2)).

The file contains the pid of the process that locked it last, for people to read. The existence of
the file locks nothing.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from hive.errors import ConflictError, FailedError


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
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise LockHeldError(self.path, pid) from None
        with suppress(OSError):  # on a full disk; the lock does not need the pid
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

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
        super().__init__(path, 0o644)
        self._variable = variable

    def acquire(self) -> None:
        """Take the lock and write our pid into it.

        Raises:
            ConflictError: When another daemon holds it, with its pid.
            FailedError: When the file cannot be opened.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
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
