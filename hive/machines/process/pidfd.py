"""Process file descriptors: references to one process, immune to the reuse of its pid.

A pidfd becomes readable when its process has ended, for any parent. This module adds what Python's
standard library lacks: signals to a whole process group, and the exit status of a process that is
not a child.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
from collections.abc import Callable
from contextlib import suppress

from hive.exits import Exited, How, Signaled, Unknown

NO_EXIT_STATUS = Unknown(
    "this kernel does not keep the exit status of processes that another daemon started "
    "(Linux 6.15 or newer does)"
)
NOT_COLLECTED = Unknown(
    "another daemon started it, and its present parent has not collected its exit status"
)

_SIGNAL_PROCESS_GROUP = 1 << 2
"""PIDFD_SIGNAL_PROCESS_GROUP of linux/pidfd.h, since Linux 6.9."""

_INFO = struct.Struct("=QQ11Ii")
"""struct pidfd_info of linux/pidfd.h in its first published size: mask, cgroupid, eleven ids,
exit_code."""

_INFO_EXIT = 1 << 3
"""PIDFD_INFO_EXIT: fill in exit_code, since Linux 6.15 and only once the process is collected."""

_READ_WRITE = 3
_PIDFS_IOCTL_MAGIC = 0xFF
_GET_INFO = _READ_WRITE << 30 | _INFO.size << 16 | _PIDFS_IOCTL_MAGIC << 8 | 11
"""PIDFD_GET_INFO: _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info), see linux/ioctl.h."""

_COLLECT_SECONDS = 5.0
"""Seconds to wait for another parent to collect a process whose status is unreadable until then."""


def signal_group(pidfd: int, number: signal.Signals) -> None:
    """Send a signal to the process group that this process leads; no error if all have ended.

    It also reaches members that are left after the leader has ended.
    """
    with suppress(ProcessLookupError):
        try:
            signal.pidfd_send_signal(pidfd, number, None, _SIGNAL_PROCESS_GROUP)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            _signal_group_by_number(pidfd, number)


def _signal_group_by_number(pidfd: int, number: signal.Signals) -> None:
    # Before Linux 6.9. While the leader can be signalled, no other group has its pid for a number;
    # a child can be signalled until it is collected.
    signal.pidfd_send_signal(pidfd, 0)
    os.killpg(_pid(pidfd), number)


def how_it_ended(pidfd: int, zombie_status: Callable[[], int | None]) -> How:
    """Return the cause of a process's end, and collect it if it is a child.

    The kernel has the status of another's child once its parent has collected it. Some parents
    are slow, so `zombie_status`, the wait status that /proc shows until then, is tried first.
    May block for a few seconds.
    """
    try:
        return _collect(pidfd)
    except ChildProcessError:
        status, unknown = _kept_by_kernel(pidfd, zombie_status)
        return unknown if status is None else from_wait_status(status)


def collect(pidfd: int) -> None:
    """Collect an ended process if it is a child, so that it does not remain as a zombie."""
    with suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)


def from_wait_status(status: int) -> How:
    """Convert a wait status; see wait(2)."""
    if os.WIFSIGNALED(status):
        return Signaled(os.WTERMSIG(status), os.WCOREDUMP(status))
    return Exited(os.WEXITSTATUS(status))


def _collect(pidfd: int) -> How:
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    if result is None or result.si_code == os.CLD_EXITED:
        return Exited(result.si_status if result else 0)
    return Signaled(result.si_status, result.si_code == os.CLD_DUMPED)


def _kept_by_kernel(
    pidfd: int, zombie_status: Callable[[], int | None]
) -> tuple[int | None, Unknown]:
    try:
        if (status := _exit_status(pidfd)) is None and (status := zombie_status()) is None:
            _wait_until_collected(pidfd)
            status = _exit_status(pidfd)
    except OSError:  # ENOTTY, EINVAL: no such request; ESRCH: collected, and nothing kept
        return zombie_status(), NO_EXIT_STATUS
    return status, NOT_COLLECTED


def _exit_status(pidfd: int) -> int | None:
    request = bytearray(_INFO.size)
    struct.pack_into("=Q", request, 0, _INFO_EXIT)
    fcntl.ioctl(pidfd, _GET_INFO, request)
    mask, *_, status = _INFO.unpack(request)
    return int(status) if mask & _INFO_EXIT else None


def _wait_until_collected(pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, 0)  # POLLHUP is always reported: the process is collected
    poll.poll(_COLLECT_SECONDS * 1000)


def _pid(pidfd: int) -> int:
    with open(f"/proc/self/fdinfo/{pidfd}") as lines:  # noqa: PTH123 - not a path of ours
        return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
