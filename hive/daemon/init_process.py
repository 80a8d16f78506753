"""The daemon as the first process of a container, where it has a second duty: to reap orphans.

The kernel gives PID 1 every process whose parent has ended, and no other process can collect their
exit statuses. Here PID 1 does nothing else: it starts the daemon as a child, passes signals on, and
ends as the daemon ends. So nothing that the daemon waits for is taken from it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that the daemon handles."""

SI_KERNEL = 0x80
"""Origin of a signal that a terminal sends: it goes to the whole group, so the child has it, too.

See sigaction(2).
"""


def is_init() -> bool:
    """Return whether this is the first process of its PID namespace."""
    return os.getpid() == 1


def run_as_init(body: Callable[[], int]) -> int:
    """Run `body` in a child and reap all orphans until it ends; return its exit status.

    In the child it returns the result of `body`. Call it before any thread is started.
    """
    watched = {*PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return body()
    while True:
        received = signal.sigwaitinfo(watched)
        if received.si_signo == signal.SIGCHLD:
            status = _reap(child)
            if status is not None:
                return status
        elif received.si_code != SI_KERNEL:
            os.kill(child, received.si_signo)


def _reap(child: int) -> int | None:
    """Collect all that has ended; return the exit status of the child if it was among them.

    As of a shell, that of a child that a signal ended is 128 and the signal.
    """
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else 128 - code
