"""Collect an agent's process that has ended, and kill the processes that it leaves behind.

Such processes may hold the agent's files, use its socket or go on working. They may have left its
process group, but they carry its run id in their environment, or print to its log. A process that
has given up both is not found: only a container holds what wants to stay.

Everything here blocks: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from hive.exits import How
from hive.machines.output_log import OutputLog
from hive.machines.process import pidfd, runfile
from hive.machines.process.procfs import Process, ProcFs, Traces
from hive.machines.process.spawn import ProcessHandle
from hive.machines.runtime import REASON_LINES


def reap(
    handle: ProcessHandle,
    run_file: Path,
    log: OutputLog,
    procfs: ProcFs,
    left: Sequence[Process] | None = None,
) -> tuple[How, tuple[str, ...]]:
    """Kill what an agent left behind; return the cause of its end and the last lines of the run.

    The order matters: until the leader is collected, no other process, group or session can get
    its number.

    Args:
        handle: The agent's process.
        run_file: Its run file.
        log: Its output.
        procfs: The process table.
        left: What a search of it has found already.
    """
    record, ticks = handle.record, handle.record.start_ticks or 0
    begun_at = written_at(run_file)
    killed = kill_marked(procfs, traces_of(handle, log, procfs), left)
    with suppress(PermissionError):  # members without the mark, if the leader was collected
        pidfd.signal_group(handle.pidfd, signal.SIGKILL)
    how = pidfd.how_it_ended(handle.pidfd, lambda: procfs.zombie_status(handle.pid, ticks))
    if killed:
        with suppress(OSError):  # a full disk does not hide why the agent ended
            log.note(describe(killed))
    runfile.remove(run_file)
    return how, log.last_lines_of_run(REASON_LINES, record.log_start, begun_at)


def traces_of(handle: ProcessHandle, log: OutputLog, procfs: ProcFs) -> Traces:
    """Return how the processes of an agent's run are recognized after its end."""
    record = handle.record
    uncollected = procfs.since(handle.pid, record.start_ticks or 0)
    return Traces(record.mark, handle.pid if uncollected else None, log.file())


def written_at(run_file: Path) -> int:
    """Return when a run file was written, at the begin of its run, in nanoseconds."""
    try:
        return run_file.stat().st_mtime_ns
    except OSError:
        return time.time_ns()


_ROUNDS = 10
"""Number of searches: a process may have started another just before it was killed."""

_DEATH_SECONDS = 1.0
"""Seconds for killed processes to end before the next search."""


def kill_marked(
    procfs: ProcFs, traces: Traces, left: Sequence[Process] | None = None
) -> tuple[Process, ...]:
    """Kill every process of a run, wait until all are gone, and return them.

    Those that cannot be killed (in uninterruptible sleep, or of another user) are returned as well.

    Args:
        procfs: The process table.
        traces: How they are recognized. The leader of a session must not have been collected, since
            its number may be reused later.
        left: What a search has found already; without any, none is made.
    """
    killed: dict[int, Process] = {}
    for _ in range(_ROUNDS):
        found = procfs.search([traces])[0] if left is None else left
        left = None
        if not found:
            break
        killed.update((process.pid, process) for process in found)
        _kill(procfs, found)
    return tuple(killed.values())


def describe(killed: tuple[Process, ...]) -> str:
    """Return a sentence about killed processes for the agent's log."""
    names = ", ".join(str(process) for process in killed)
    return f"killed what outlived the agent: {names}"


def _kill(procfs: ProcFs, found: Sequence[Process]) -> None:
    with ExitStack() as stack:
        poll, waiting = select.poll(), set()
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                fd = os.pidfd_open(process.pid)
                stack.callback(os.close, fd)
                # By its descriptor, the signal reaches the process that was found, or none.
                if procfs.living(process.pid, process.start_ticks):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                    poll.register(fd, select.POLLIN)
                    waiting.add(fd)
        _wait(poll, waiting)


def _wait(poll: select.poll, waiting: set[int]) -> None:
    while waiting:
        ended = poll.poll(_DEATH_SECONDS * 1000)
        if not ended:
            return
        for fd, _ in ended:
            poll.unregister(fd)
            waiting.discard(fd)
            pidfd.collect(fd)  # orphans become children of this program if it is a container's init
