"""Process descriptors: exit status of other processes' children, on old and new kernels."""

import errno
import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hive.exits import Exited, How, Signaled
from hive.machines.process import pidfd
from hive.machines.process.pidfd import (
    NO_EXIT_STATUS,
    NOT_COLLECTED,
    from_wait_status,
    how_it_ended,
)

PARENT = """
import os, subprocess, sys
child = subprocess.Popen(["sh", "-c", sys.argv[1]])
print(child.pid, flush=True)
sys.stdin.readline()
child.wait()
print("collected", flush=True)
sys.stdin.readline()
"""


@contextmanager
def child(script: str) -> Iterator[int]:
    """Run a child until it has ended, and yield its descriptor."""
    process = subprocess.Popen(("sh", "-c", script), start_new_session=True)
    process.returncode = 0  # collected by the tested code
    fd = os.pidfd_open(process.pid)
    select.select([fd], [], [])
    yield fd
    os.close(fd)


class ForeignParent:
    """Another process with a child that has ended; `collect` makes it wait for the child."""

    def __init__(self, script: str) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-c", PARENT, script),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.fd = os.pidfd_open(int(self._process.stdout.readline()))
        select.select([self.fd], [], [])

    def collect(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._process.stdout.readline()

    def close(self) -> None:
        self._process.communicate("\n")
        os.close(self.fd)


@pytest.fixture
def foreign_parent() -> Iterator[ForeignParent]:
    other = ForeignParent("exit 7")
    yield other
    other.close()


def no_zombie() -> int | None:
    return None


@pytest.mark.parametrize(
    ("script", "how"),
    [("exit 0", Exited(0)), ("exit 255", Exited(255)), ("kill -9 $$", Signaled(9))],
)
def test_a_child_of_ours_is_collected(script: str, how: How) -> None:
    with child(script) as fd:
        assert how_it_ended(fd, no_zombie) == how
        with pytest.raises(ChildProcessError):
            os.waitid(os.P_PIDFD, fd, os.WEXITED)


@pytest.mark.parametrize(
    ("status", "how"),
    [
        (0, Exited(0)),
        (7 << 8, Exited(7)),
        (9, Signaled(9)),
        (11 | 0x80, Signaled(11, core_dumped=True)),
    ],
)
def test_a_wait_status_says_exit_or_signal(status: int, how: How) -> None:
    assert from_wait_status(status) == how


def test_the_kernel_retains_the_status_of_a_process_that_its_parent_collected(
    foreign_parent: ForeignParent,
) -> None:
    foreign_parent.collect()
    assert how_it_ended(foreign_parent.fd, no_zombie) in {Exited(7), NO_EXIT_STATUS}


def test_before_that_the_status_of_the_zombie_is_read(foreign_parent: ForeignParent) -> None:
    assert how_it_ended(foreign_parent.fd, lambda: 5 << 8) == Exited(5)
    foreign_parent.collect()


def test_the_exit_of_a_process_that_is_not_collected_in_time_is_unknown(
    foreign_parent: ForeignParent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pidfd, "_COLLECT_SECONDS", 0.0)
    assert how_it_ended(foreign_parent.fd, no_zombie) in {NOT_COLLECTED, NO_EXIT_STATUS}
    foreign_parent.collect()


@pytest.mark.parametrize("number", [errno.ENOTTY, errno.EINVAL, errno.ESRCH])
def test_an_older_kernel_is_detected(
    foreign_parent: ForeignParent, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def older(*args: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "ioctl", older)
    assert how_it_ended(foreign_parent.fd, no_zombie) == NO_EXIT_STATUS
    assert how_it_ended(foreign_parent.fd, lambda: 9) == Signaled(9)
    foreign_parent.collect()


@pytest.mark.parametrize("older_kernel", [False, True])
def test_a_signal_reaches_the_whole_group(
    monkeypatch: pytest.MonkeyPatch, older_kernel: bool
) -> None:
    if older_kernel:
        _refuse_group_flag(monkeypatch)
    process = subprocess.Popen(
        ("sh", "-c", "sleep 1000 & echo $!; wait"), start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout
    members = [os.pidfd_open(process.pid), os.pidfd_open(int(process.stdout.readline()))]
    pidfd.signal_group(members[0], signal.SIGKILL)
    for member in members:
        assert select.select([member], [], [], 30)[0]
        os.close(member)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_a_signal_to_a_group_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with child("exit 0") as fd:
        pidfd.collect(fd)
        pidfd.signal_group(fd, signal.SIGKILL)
        _refuse_group_flag(monkeypatch)
        pidfd.signal_group(fd, signal.SIGKILL)


def _refuse_group_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    send = signal.pidfd_send_signal

    def older(fd: int, number: int, info: None = None, flags: int = 0) -> None:
        if flags:
            raise OSError(errno.EINVAL, "invalid argument")
        send(fd, number)

    monkeypatch.setattr(signal, "pidfd_send_signal", older)
