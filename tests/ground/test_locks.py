"""A file lock has one holder, whose pid is in its file."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hive.locks import FileLock, LockHeldError

STRANGER = """
import fcntl, sys
file = open(sys.argv[1])
print("open", flush=True)
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def stranger(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that opened the file for reading, and waits for the lock or holds it."""
    argv = [sys.executable, "-c", STRANGER, str(path)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_second_lock_is_refused_with_the_firsts_pid_until_the_first_is_released(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    first, second = FileLock(path, 0o600), FileLock(path, 0o600)
    first.acquire()
    with pytest.raises(LockHeldError, match=f"locked by process {os.getpid()}") as refused:
        second.acquire()
    assert refused.value.pid == str(os.getpid())
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_a_holder_that_could_not_write_its_pid_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = FileLock(path, 0o600)
    first.acquire()
    path.write_text("")
    with pytest.raises(LockHeldError, match="process unknown") as refused:
        FileLock(path, 0o600).acquire()
    assert not refused.value.pid
    first.release()


def test_a_lock_file_is_created_with_the_given_mode(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock", 0o600)
    lock.acquire()
    assert lock.path.stat().st_mode & 0o777 == 0o600
    lock.release()
    assert lock.path.read_text() == f"{os.getpid()}\n"


def test_a_file_that_cannot_be_opened_raises_the_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "missing" / "lock", 0o600).acquire()


@pytest.mark.parametrize("pid", ["", "99999999\n", "-1\n", "none\n", "0\n", "self"])
def test_a_stranger_that_holds_the_lock_of_a_readable_file_is_not_its_holder(
    tmp_path: Path, pid: str
) -> None:
    path = tmp_path / "lock"
    path.write_text(f"{os.getpid()}\n" if pid == "self" else pid)
    path.chmod(0o644)
    with stranger(path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        lock = FileLock(path, 0o600)
        lock.acquire()
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(LockHeldError, match=f"process {os.getpid()}"):
            FileLock(path, 0o600).acquire()
        lock.release()


def test_a_stranger_that_has_a_readable_file_open_does_not_get_its_lock_later(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    path.touch(0o644)
    lock = FileLock(path, 0o600)
    with path.open() as opened_before:
        lock.acquire()
        lock.release()
        fcntl.flock(opened_before, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.acquire()
    lock.release()


def test_the_holder_of_a_readable_file_keeps_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with stranger(path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        path.write_text(f"{holder.pid}\n")
        path.chmod(0o644)
        with pytest.raises(LockHeldError, match=f"process {holder.pid}"):
            FileLock(path, 0o600).acquire()
