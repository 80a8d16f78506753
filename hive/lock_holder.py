"""The daemon that holds a lock file, found by its process: how to reach it, or to end it.

The sockets of a daemon can be out of reach while it runs: they are in another run directory, or
their directory was removed, as logind removes /run/user/UID at the last logout. Then its pid leads
on. All of it is read from /proc; of a process of another user nothing can be seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from hive import paths

_REMOVED = " (deleted)"
"""The end of the target of a link to an open file that was removed, see proc_pid_fd(5)."""

PROC = Path("/proc")


@frozen
class LockHolder:
    """A process that holds the lock of a daemon's directory.

    Attributes:
        pid: The process.
        run_dir: Where its sockets are; None if that cannot be seen.
        is_removed: Whether that directory, or the lock in it, was removed.
    """

    pid: int
    run_dir: Path | None
    is_removed: bool = False

    def way_to_reach(self, ours: Path | None = None) -> str:
        """Return how a verb reaches this daemon, or else the command that ends it.

        Args:
            ours: As for `way_to_end`.
        """
        if self.run_dir is None or self.is_removed or self._is_at(ours):
            return self.way_to_end(ours)
        return f"set HYPERHIVE_RUN_DIR={self.run_dir}"

    def _is_at(self, ours: Path | None) -> bool:
        return self.run_dir == (ours or paths.find().run_dir)

    def way_to_end(self, ours: Path | None = None) -> str:
        """Return the command that ends this daemon.

        Args:
            ours: The run directory in which `hive-c0re` looks here; by default that of the
                environment.
        """
        if self.run_dir is None:
            return f"'hive-c0re shutdown' ends it, or 'kill {self.pid}' where its sockets are gone"
        if self.is_removed:
            return f"its sockets in {self.run_dir} were removed; 'kill {self.pid}' ends it"
        if self._is_at(ours):
            return "'hive-c0re shutdown' ends it"
        return f"'HYPERHIVE_RUN_DIR={self.run_dir} hive-c0re shutdown' ends it"


def find_holder(lock: Path) -> LockHolder | None:
    """Return the process that has a lock file open whose pid is in it; None if none is seen.

    Does not touch the lock itself.
    """
    try:
        pid = int(lock.read_text().strip())
    except (OSError, ValueError):
        return None
    if not any(file == str(lock.resolve()) for file in _open_files(pid)):
        return None
    return holder_of(pid)


def holder_of(pid: int) -> LockHolder:
    """Return a process that holds a lock, with where its sockets are."""
    locks = [file for file in _open_files(pid) if _name(file) == "host.lock"]
    if not locks:
        return LockHolder(pid, None)
    newest = locks[-1]
    return LockHolder(
        pid, Path(newest.removesuffix(_REMOVED)).parent, is_removed=newest.endswith(_REMOVED)
    )


def _name(file: str) -> str:
    return Path(file.removesuffix(_REMOVED)).name


def _open_files(pid: int) -> Iterator[str]:
    """Yield the paths of the files that a process has open, in the order of its descriptors."""
    with suppress(OSError):  # it has ended, or belongs to another user
        for link in sorted((PROC / str(pid) / "fd").iterdir(), key=lambda each: int(each.name)):
            with suppress(OSError):
                yield os.readlink(link)  # noqa: PTH115 - a Path would lose the mark
