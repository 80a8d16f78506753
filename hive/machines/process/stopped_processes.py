"""Stop all processes of agents with SIGSTOP, and let them go on with SIGCONT.

Those of an agent are its process group and all that carry its run id, are in its session, or print
to its log: the same that `reap` kills after its end. A process may start another just before it is
stopped, so the process table is searched until none of them runs.

Everything here blocks: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Mapping
from contextlib import suppress

from hive.machines.process.procfs import Process, ProcFs, Traces

Runs = Mapping[str, Traces]
"""By what the processes of agents are found, by agent, in order."""

STOP_SECONDS = 2.0
"""Seconds until processes that do not stop are reported: those in uninterruptible sleep, or of
another user."""

ROUND_SECONDS = 0.005
"""Seconds between two searches: a signal takes effect when the kernel schedules its process."""


def stop_all(procfs: ProcFs, runs: Runs) -> Mapping[str, list[Process]]:
    """Stop all processes of runs; return those that do not stop in time, by agent."""
    until = time.monotonic() + STOP_SECONDS
    while True:
        going = {
            name: [each for each in found if not each.stopped]
            for name, found in processes_of(procfs, runs).items()
        }
        left = {name: found for name, found in going.items() if found}
        if not left or time.monotonic() >= until:
            return left
        for process in (each for found in left.values() for each in found):
            _signal(procfs, process, signal.SIGSTOP)
        time.sleep(ROUND_SECONDS)


def continue_all(procfs: ProcFs, runs: Runs) -> None:
    """Let all processes of runs go on, one run after the other.

    The newest of a run go first: none finds a child that is stopped.
    """
    for found in processes_of(procfs, runs).values():
        for process in sorted(found, key=lambda each: each.start_ticks, reverse=True):
            _signal(procfs, process, signal.SIGCONT)


def processes_of(procfs: ProcFs, runs: Runs) -> dict[str, list[Process]]:
    """Return the living processes of runs, by agent; one look at the process table for all."""
    return dict(zip(runs, procfs.search(list(runs.values())), strict=True))


def describe(left: Collection[Process]) -> str:
    """Return a sentence about processes that did not stop."""
    names = ", ".join(map(str, left))
    return f"these processes did not stop within {STOP_SECONDS:g} s: {names}"


def _signal(procfs: ProcFs, process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        fd = os.pidfd_open(process.pid)
        try:
            # By its descriptor, the signal reaches the process that was found, or none.
            if procfs.living(process.pid, process.start_ticks):
                signal.pidfd_send_signal(fd, number)
        finally:
            os.close(fd)
