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
from hive.lock_holder import holder_of
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

        Blocks for a moment only, but on the disk: call it from a thread, not from the event loop.

        Raises:
            LockHeldError: Another process, or another lock of this one, holds it.
            OSError: The file cannot be opened.
        """
        while (descriptor := self._lock_or_replace()) is None:
            pass
        with suppress(OSError):  # another user's; a umask of 0777 leaves no rights to its owner
            os.fchmod(descriptor, self._mode)
        with suppress(OSError):  # on a full disk; the lock does not need the pid
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def _lock_or_replace(self) -> int | None:
        """Return the locked file; None if another process replaced the file meanwhile."""
        descriptor = self._open(self.path)
        locked = _lock(descriptor)
        if not _is_file_at(self.path, descriptor):
            os.close(descriptor)
            return None
        if not _is_private(descriptor) and (locked or not _is_holder(_pid(descriptor), descriptor)):
            try:
                return self._replace(descriptor)
            finally:
                os.close(descriptor)
        if not locked:
            raise self._held(descriptor)
        return descriptor

    def _replace(self, old: int) -> int | None:
        """Put a new, locked file in place of one that other users may open.

        Whoever replaces the file holds the lock of the new one first, so that of several processes
        one does; it looks then whether the old file is still in its place.
        """
        new = self.path.with_name(f"{self.path.name}.new")
        descriptor = self._open(new)
        try:
            if not _lock(descriptor):
                raise self._held(descriptor)
            if not _is_file_at(new, descriptor):
                os.close(descriptor)
                return None
            if not _is_file_at(self.path, old):
                new.unlink()
                os.close(descriptor)
                return None
            new.replace(self.path)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _open(self, path: Path) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        return os.open(path, flags, self._mode)

    def _held(self, descriptor: int) -> LockHeldError:
        """Close an open file that is locked by another, and return the error."""
        pid = _pid(descriptor)
        os.close(descriptor)
        return LockHeldError(self.path, pid)

    def restore(self) -> None:
        """Lock the file of this path again if the locked one was removed or replaced.

        Does nothing without the lock. If it fails, the old file stays locked.

        Raises:
            LockHeldError: Another process has locked a new file meanwhile.
            OSError: The file cannot be opened.
        """
        old = self._descriptor
        if old is None or _is_file_at(self.path, old):
            return
        try:
            self.acquire()
        except BaseException:
            self._descriptor = old
            raise
        os.close(old)

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
            known = holder_of(int(held.pid)) if held.pid.isdecimal() else None
            way = known.way_to_end() if known else "'hive-c0re shutdown' ends it"
            raise ConflictError(
                f"another hive-c0re{holder} already serves {self.path.parent}; "
                f"{way}, or choose another {self._variable}"
            ) from None


def _lock(descriptor: int) -> bool:
    """Try to lock an open file; return whether that succeeded."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_file_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file is still the one at a path."""
    try:
        present = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # removed
        return False
    try:
        return _identity(present) == _identity(descriptor)
    finally:
        os.close(present)


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


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
