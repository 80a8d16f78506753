"""Processes that outlive the agent they belong to: found by the mark of its run, and killed.

An agent may leave children behind that hold its files, use its socket or go on working. They are
not always in its process group any more, but they carry its run id in their environment.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import ExitStack, suppress

from hive.machines import pidfd
from hive.machines.procfs import Process, ProcFs

_ROUNDS = 10
"""How often to look again: what is being killed may have started another process just before."""

_DEATH_SECONDS = 1.0
"""How long killed processes are given to be gone before looking again."""


def kill_marked(procfs: ProcFs, mark: str, *, session: int | None = None) -> tuple[Process, ...]:
    """Kill every process that carries the mark, wait until all are gone, and return them.

    What cannot be killed (it waits in the kernel, it became another user's) is returned as well.

    Args:
        procfs: Where to look.
        mark: "HIVE_RUN=<id>".
        session: Kill the members of this session, too. Only for a session whose leader has not
            been collected yet, since the number may be another's later.
    """
    killed: dict[int, Process] = {}
    for _ in range(_ROUNDS):
        found = list(procfs.marked(mark, session=session))
        if not found:
            break
        killed.update((process.pid, process) for process in found)
        _kill(procfs, found)
    return tuple(killed.values())


def describe(killed: tuple[Process, ...]) -> str:
    """Return a sentence about the killed for the agent's log."""
    names = ", ".join(str(process) for process in killed)
    return f"killed what outlived the agent: {names}"


def _kill(procfs: ProcFs, found: list[Process]) -> None:
    with ExitStack() as stack:
        poll, waiting = select.poll(), set()
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                fd = os.pidfd_open(process.pid)
                stack.callback(os.close, fd)
                # Held now: if it is still the one that was found, the signal can hit no other.
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
            pidfd.collect(fd)  # orphans are ours when this program is the first of a container
