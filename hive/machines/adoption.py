"""Finding again what an earlier daemon started, by the record it left.

Everything here blocks: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from hive.machines import pidfd, records
from hive.machines.leftovers import describe, kill_marked
from hive.machines.output import OutputLog
from hive.machines.procfs import Process, ProcFs
from hive.machines.records import RunRecord
from hive.machines.spawning import Held


def leader_of(record: RunRecord, procfs: ProcFs) -> Process | None:
    """Return the living process that the record is about, None when it has ended.

    A record without a pid is of a daemon that died between its two writes. The process leads its
    session, since it was started so, and is the first of those that carry the run id.
    """
    if record.boot_id != procfs.boot_id():
        return None
    if record.pid is not None and record.start_ticks is not None:
        return procfs.living(record.pid, record.start_ticks)
    leaders = [p for p in procfs.marked(record.mark) if p.session == p.pid]
    return min(leaders, key=lambda p: p.start_ticks, default=None)


def hold(record_file: Path, procfs: ProcFs) -> Held | None:
    """Return the process that this record is about, held; None when there is nothing to hold.

    Then what it left behind is killed, noted in its log, and the record is removed.

    Raises:
        FailedError: The record is not one of ours.
        OSError: It could not be brought up to date.
    """
    record = records.read(record_file)
    if record is None:
        return None
    held = _hold(record, procfs)
    if held is None:
        _clear(record, procfs)
        records.remove(record_file)
    elif held.record != record:
        records.write(record_file, held.record)
    return held


def _hold(record: RunRecord, procfs: ProcFs) -> Held | None:
    leader = leader_of(record, procfs)
    if leader is None:
        return None
    try:
        fd = os.pidfd_open(leader.pid)
    except ProcessLookupError:
        return None
    # Only now is the pid sure to stay with one process: look again whether it is the right one.
    if procfs.living(leader.pid, leader.start_ticks) is None:
        os.close(fd)
        return None
    return Held(evolve(record, pid=leader.pid, start_ticks=leader.start_ticks), leader.pid, fd)


def _clear(record: RunRecord, procfs: ProcFs) -> None:
    killed: tuple[Process, ...] = ()
    if record.boot_id == procfs.boot_id():
        _collect_zombie(record, procfs)
        killed = kill_marked(procfs, record.mark)
    if record.pid is not None or killed:
        story = f"; {describe(killed)}" if killed else ""
        OutputLog(Path(record.log_file)).note(f"it ended while no daemon was watching{story}")


def _collect_zombie(record: RunRecord, procfs: ProcFs) -> None:
    # A runtime closed and opened again in one program: the process is still our child.
    if record.pid is None or not procfs.since(record.pid, record.start_ticks or 0):
        return
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(record.pid)
        pidfd.collect(fd)
        os.close(fd)
