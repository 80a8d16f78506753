"""One daemon per directory, by an OS lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hive.errors import ConflictError, FailedError
from hive.locks import DaemonLock


def test_a_second_daemon_is_refused_with_the_firsts_pid(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    first, second = DaemonLock(path, "HYPERHIVE_RUN_DIR"), DaemonLock(path, "HYPERHIVE_RUN_DIR")
    first.acquire()
    said = rf"\(pid {os.getpid()}\) already serves {path.parent};.* another HYPERHIVE_RUN_DIR"
    with pytest.raises(ConflictError, match=said):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    assert path.read_text() == f"{os.getpid()}\n"
    second.release()


def test_a_file_of_an_earlier_daemon_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("99999999 of an earlier life\n")
    lock = DaemonLock(path, "HYPERHIVE_RUN_DIR")
    lock.acquire()
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailedError, match=r"cannot open the lock file .*file/lock"):
        DaemonLock(tmp_path / "file" / "lock", "HYPERHIVE_RUN_DIR").acquire()


def test_other_users_cannot_open_the_file(tmp_path: Path) -> None:
    lock = DaemonLock(tmp_path / "lock", "HYPERHIVE_RUN_DIR")
    lock.acquire()
    assert lock.path.stat().st_mode & 0o777 == 0o600
    lock.release()
