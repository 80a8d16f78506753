"""Find processes that an earlier daemon started, by its run files.

Everything here blocks: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from hive.machines.output import OutputLog
from hive.machines.process import pidfd, runfile
from hive.machines.process.procfs import Process, ProcFs
from hive.machines.process.reap import describe, kill_marked
from hive.machines.process.runfile import RunRecord
from hive.machines.process.spawn import ProcessHandle


def leader_of(record: RunRecord, procfs: ProcFs) -> Process | None:
    """Return the living process of a record; None if it has ended.

    A record has no pid if the daemon died between its two writes. The process is then the oldest
    session leader that carries the run id.
    """
    if record.boot_id != procfs.boot_id():
        return None
    if record.pid is not None and record.start_ticks is not None:
        return procfs.living(record.pid, record.start_ticks)
    leaders = [p for p in procfs.marked(record.mark) if p.session == p.pid]
    return min(leaders, key=lambda p: p.start_ticks, default=None)


def find_running(run_file: Path, procfs: ProcFs) -> ProcessHandle | None:
    """Return the running process of a run file; None if there is none.

    If the process has ended, the processes that it left behind are killed, its log says so, and
    the run file is removed.

    Raises:
        FailedError: The run file is damaged.
        OSError: The run file could not be updated.
    """
    record = runfile.read(run_file)
    if record is None:
        return None
    handle = _open(record, procfs)
    if handle is None:
        _clean_up(record, procfs)
        runfile.remove(run_file)
    elif handle.record != record:
        runfile.write(run_file, handle.record)
    return handle


def _open(record: RunRecord, procfs: ProcFs) -> ProcessHandle | None:
    leader = leader_of(record, procfs)
    if leader is None:
        return None
    try:
        fd = os.pidfd_open(leader.pid)
    except ProcessLookupError:
        return None
    # Only from now on does the pid belong to one process: check that it is the right one.
    if procfs.living(leader.pid, leader.start_ticks) is None:
        os.close(fd)
        return None
    return ProcessHandle(
        evolve(record, pid=leader.pid, start_ticks=leader.start_ticks), leader.pid, fd
    )


def _clean_up(record: RunRecord, procfs: ProcFs) -> None:
    killed: tuple[Process, ...] = ()
    if record.boot_id == procfs.boot_id():
        _collect_zombie(record, procfs)
        killed = kill_marked(procfs, record.mark)
    if record.pid is not None or killed:
        addition = f"; {describe(killed)}" if killed else ""
        OutputLog(Path(record.log_file)).note(f"it ended while no daemon was watching{addition}")


def _collect_zombie(record: RunRecord, procfs: ProcFs) -> None:
    # If a runtime was closed and opened again in one program, the process is still its child.
    if record.pid is None or not procfs.since(record.pid, record.start_ticks or 0):
        return
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(record.pid)
        pidfd.collect(fd)
        os.close(fd)
