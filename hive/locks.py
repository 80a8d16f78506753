"""File locks that the kernel releases however their process ends (flock(2)).

The file holds the pid of the process that locked it last. That is a note for people: a file that is
left over locks nothing.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class LockHeldError(Exception):
    """The file is locked already.

    Attributes:
        pid: The process that holds it, as it noted itself; empty if it could not.
    """

    def __init__(self, path: Path, pid: str) -> None:
        super().__init__(f"{path} is locked by process {pid or 'unknown'}")
        self.pid = pid


class FileLock:
    """An exclusive lock, held by an open file.

    Args:
        path: The file; it is made if need be, and stays.
        mode: Permissions of a file that is made.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self.path = path
        self._mode = mode
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our pid into its file.

        Raises:
            LockHeldError: Another process, or another lock of this one, has it.
            OSError: The file cannot be opened.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise LockHeldError(self.path, pid) from None
        with suppress(OSError):  # on a full disk; the pid is for who reads it, not for the lock
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
