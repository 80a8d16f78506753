"""A file lock has one holder, whose pid is in its file."""

import os
from pathlib import Path

import pytest

from hive.locks import FileLock, LockHeldError


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
