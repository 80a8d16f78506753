"""One daemon per directory, by an OS lock and not by the existence of a file."""

from __future__ import annotations

from pathlib import Path

from hive.errors import ConflictError, FailedError
from hive.locks import FileLock, LockHeldError


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
