"""The process table in /proc: identity, start time and run of processes.

A pid alone is no identity, since the kernel reuses it. A pid together with its
start time (field 22 of /proc/<pid>/stat, in clock ticks since boot) and the boot id is one.
See proc(5).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from hive.machines.resource_use import ResourceUse

_DEAD_STATES = frozenset("ZXx")
"""States of processes that have ended; a zombie is not yet collected by its parent."""

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
"""Bytes of a page of memory."""

TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks of a second of processor time."""

# Places in what follows the command in /proc/<pid>/stat, which begins with field 3.
_PARENT, _SESSION, _TIMES, _RSS = 1, 3, slice(11, 15), 21

_STOPPED_STATES = frozenset("Tt")
"""States of processes that a signal or a tracer has stopped."""


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
        stopped: Whether a signal or a tracer has stopped it.
    """

    pid: int
    command: str
    dead: bool
    session: int
    start_ticks: int
    exit_status: int = 0
    stopped: bool = False

    def __str__(self) -> str:
        return f"{self.command} ({self.pid})"


@frozen
class Traces:
    """How the processes of a run are recognized.

    Attributes:
        mark: They carry this variable ("NAME=value") in their environment,
        session: or are members of this session,
        output: or print to this file, by device and inode.
    """

    mark: str
    session: int | None = None
    output: tuple[int, int] | None = None


class TraceIndex:
    """Finds the runs that a process belongs to; its runs are numbered in their order."""

    def __init__(self, runs: Sequence[Traces]) -> None:
        self._marks: defaultdict[bytes, set[int]] = defaultdict(set)
        self._sessions: defaultdict[int | None, set[int]] = defaultdict(set)
        self._outputs: defaultdict[tuple[int, int] | None, set[int]] = defaultdict(set)
        for number, run in enumerate(runs):
            self._marks[os.fsencode(run.mark)].add(number)
            self._sessions[run.session].add(number)
            self._outputs[run.output].add(number)

    def runs_of(
        self, process: Process, environment: frozenset[bytes], outputs: set[tuple[int, int]]
    ) -> set[int]:
        """Return the numbers of the runs that a process belongs to."""
        found = set(self._sessions.get(process.session, ()))
        for mark in environment & self._marks.keys():
            found |= self._marks[mark]
        for output in outputs & self._outputs.keys():
            found |= self._outputs[output]
        return found


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

    def environment(self, pid: int) -> frozenset[bytes]:
        """Return the variables ("NAME=value") that the process started with.

        The environment of another user's process is unreadable and counts as empty.
        """
        try:
            return frozenset(self._read(pid, "environ").split(b"\0"))
        except OSError:
            return frozenset()

    def outputs(self, pid: int) -> set[tuple[int, int]]:
        """Return the standard output and error of a process, each by device and inode.

        Those of another user's process are unreadable, and missing.
        """
        files = set()
        for descriptor in ("1", "2"):
            with suppress(OSError):
                found = os.stat(f"{self._root}/{pid}/fd/{descriptor}")  # noqa: PTH116 - see _read
                files.add((found.st_dev, found.st_ino))
        return files

    def marked(
        self, mark: str, *, session: int | None = None, output: tuple[int, int] | None = None
    ) -> list[Process]:
        """Return the living processes of a run, see `Traces`; not the caller's own process."""
        return self.search([Traces(mark, session, output)])[0]

    def search(self, runs: Sequence[Traces]) -> list[list[Process]]:
        """Return the living processes of each run; the caller's own process is excluded."""
        index = TraceIndex(runs)
        found: list[list[Process]] = [[] for _ in runs]
        for pid in self._pids():
            process = self.process(pid)
            if process is None or process.dead or pid == os.getpid():
                continue
            for number in index.runs_of(process, self.environment(pid), self.outputs(pid)):
                found[number].append(process)
        return found

    def uses(self, leaders: Collection[int]) -> dict[int, ResourceUse]:
        """Return what the sessions of these leaders and all their descendants use, by leader.

        Memory is what they have in physical memory; pages that several share are counted for each.
        Processor time includes that of children that have ended and were waited for.
        """
        table = {pid: fields for pid in self._pids() if (fields := self._stat_fields(pid))}
        owners: dict[int, int] = {each: each for each in leaders}
        pages: defaultdict[int, int] = defaultdict(int)
        ticks: defaultdict[int, int] = defaultdict(int)
        for pid, fields in table.items():
            owner = _owner(pid, table, owners)
            if owner:
                pages[owner] += int(fields[_RSS])
                ticks[owner] += sum(map(int, fields[_TIMES]))
        return {
            owner: ResourceUse(count * PAGE_BYTES, ticks[owner] / TICKS)
            for owner, count in pages.items()
        }

    def _stat_fields(self, pid: int) -> list[bytes]:
        """Return the fields of a process from its state on; none if it has ended."""
        try:
            return self._read(pid, "stat").rpartition(b")")[2].split()
        except OSError:
            return []

    def _is_authorized(self, pid: int) -> bool:
        try:
            return os.geteuid() in {0, (self._root / str(pid)).stat().st_uid}
        except OSError:
            return False

    def _pids(self) -> list[int]:
        names = os.listdir(self._root)  # noqa: PTH208 - see _read
        return [int(name) for name in names if name.isdecimal()]

    def _read(self, pid: int, name: str) -> bytes:
        # Without pathlib, which takes as long as the kernel: a search reads thousands of files.
        with open(f"{self._root}/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()


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
        stopped=fields[0] in _STOPPED_STATES,
    )


def _owner(pid: int, table: Mapping[int, list[bytes]], owners: dict[int, int]) -> int:
    """Return the leader that a process belongs to, 0 for none; what is found out is added.

    It is that of its session, or else that of its parent.
    """
    passed = []
    while pid not in owners and pid in table:
        passed.append(pid)
        owners[pid] = 0  # until it is known; the table is no snapshot, so there may be a cycle
        session = int(table[pid][_SESSION])
        pid = session if owners.get(session) else int(table[pid][_PARENT])
    found = owners.get(pid, 0)
    owners.update(dict.fromkeys(passed, found))
    return found
