"""One daemon per directory, guaranteed by an OS lock rather than by a file's existence."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from hive.errors import ConflictError, FailedError


class DaemonLock:
    """Holds the lock file of a directory while its daemon lives.

    The kernel releases it however the process ends, so there is nothing to clean up by hand.

    Args:
        path: The lock file.
        variable: The environment variable that names its directory, for who has to choose another.
    """

    def __init__(self, path: Path, variable: str) -> None:
        self.path = path
        self._variable = variable
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our pid into it.

        Raises:
            ConflictError: When another daemon holds it, with its pid.
            FailedError: When the file cannot be opened.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise FailedError(
                f"cannot open the lock file {self.path}: {error.strerror}; "
                f"check the owner of its directory, or set {self._variable}"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(fd)
            os.close(fd)
            raise ConflictError(
                f"another hive-c0re{holder} already serves {self.path.parent}; "
                f"'hive-c0re shutdown' ends it, or choose another {self._variable}"
            ) from None
        with suppress(OSError):  # on a full disk; the pid is for who reads it, not for the lock
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _holder(fd: int) -> str:
    pid = os.pread(fd, 32, 0).decode(errors="replace").strip()
    return f" (pid {pid})" if pid else ""
