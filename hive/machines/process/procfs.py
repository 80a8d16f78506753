"""The process table in /proc: identity, start time and run of processes.

A pid alone is no identity, since the kernel reuses it. A pid together with its
start time (field 22 of /proc/<pid>/stat, in clock ticks since boot) and the boot id is one.
See proc(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

_DEAD_STATES = frozenset("ZXx")
"""States of processes that have ended; a zombie is not yet collected by its parent."""


@frozen
class Process:
    """One process, as the kernel describes it.

    Attributes:
        pid: Its process id.
        command: Name of its program, at most 15 characters.
        dead: Whether it has ended and is not yet collected by its parent.
        session: Pid of the leader of its session.
        start_ticks: Start time in clock ticks since boot.
        exit_status: Wait status of a dead one; the kernel shows 0 to the unauthorized.
    """

    pid: int
    command: str
    dead: bool
    session: int
    start_ticks: int
    exit_status: int = 0

    def __str__(self) -> str:
        return f"{self.command} ({self.pid})"


class ProcFs:
    """Reads /proc.

    Args:
        root: Its mount point; tests use a directory of their own.
    """

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root

    def boot_id(self) -> str:
        """Return the id of this boot of the machine."""
        return (self._root / "sys/kernel/random/boot_id").read_text().strip()

    def process(self, pid: int) -> Process | None:
        """Return the process of this pid, dead or alive; None if there is none."""
        try:
            return _parse(self._read(pid, "stat"))
        except OSError:  # gone: ENOENT, or ESRCH when it goes between open and read
            return None

    def since(self, pid: int, start_ticks: int) -> Process | None:
        """Return the process of this pid and start time, dead or alive."""
        process = self.process(pid)
        return process if process and process.start_ticks == start_ticks else None

    def living(self, pid: int, start_ticks: int) -> Process | None:
        """Return the process of this pid and start time if it is alive."""
        process = self.since(pid, start_ticks)
        return process if process and not process.dead else None

    def zombie_status(self, pid: int, start_ticks: int) -> int | None:
        """Return the wait status of an ended process that is not yet collected."""
        process = self.since(pid, start_ticks)
        return (
            process.exit_status if process and process.dead and self._is_authorized(pid) else None
        )

    def carries(self, pid: int, mark: str) -> bool:
        """Return whether `mark` ("NAME=value") is in the environment the process started with.

        The environment of another user's process is unreadable and counts as empty.
        """
        try:
            return os.fsencode(mark) in self._read(pid, "environ").split(b"\0")
        except OSError:
            return False

    def marked(self, mark: str, *, session: int | None = None) -> Iterator[Process]:
        """Yield each living process that carries the mark or is a member of the session.

        The caller's own process is excluded.
        """
        for pid in self._pids():
            process = self.process(pid)
            if process is None or process.dead or pid == os.getpid():
                continue
            if process.session == session or self.carries(pid, mark):
                yield process

    def _is_authorized(self, pid: int) -> bool:
        try:
            return os.geteuid() in {0, (self._root / str(pid)).stat().st_uid}
        except OSError:
            return False

    def _pids(self) -> list[int]:
        return [int(entry.name) for entry in self._root.iterdir() if entry.name.isdecimal()]

    def _read(self, pid: int, name: str) -> bytes:
        return (self._root / str(pid) / name).read_bytes()


def _parse(stat: bytes) -> Process:
    # The command is in parentheses and may itself contain any character, parentheses too.
    head, _, tail = stat.decode(errors="replace").rpartition(")")
    pid, _, command = head.partition(" (")
    fields = tail.split()  # fields[0] is field 3 of proc_pid_stat(5)
    return Process(
        pid=int(pid),
        command=command,
        dead=fields[0] in _DEAD_STATES,
        session=int(fields[3]),
        start_ticks=int(fields[19]),
        exit_status=int(fields[49]),
    )
