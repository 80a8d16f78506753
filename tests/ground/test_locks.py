"""A file lock has one holder, whose pid is in its file."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from hive import locks as module
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
    before = path.stat().st_ino
    lock = FileLock(path, 0o600)
    with path.open() as opened_before:
        lock.acquire()
        lock.release()
        fcntl.flock(opened_before, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.acquire()
        assert path.stat().st_ino != before, "the stranger has the lock of a file that is gone"
    assert path.stat().st_mode & 0o777 == 0o600
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


RACER = """
import sys, time
from pathlib import Path
from hive import locks as module
from hive.locks import FileLock, LockHeldError

lock = FileLock(Path(sys.argv[1]), 0o600)
print("ready", flush=True)
for _ in sys.stdin:  # one line starts one attempt
    try:
        lock.acquire()
    except LockHeldError as held:
        print("held", held.pid or "unknown", flush=True)
    else:
        print("locked", flush=True)
        sys.stdin.readline()
        lock.release()
"""


@contextmanager
def racers(path: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that acquire the lock at each line of input, and release it at the next."""
    argv = [sys.executable, "-c", RACER, str(path)]
    with ExitStack() as stack:
        running = []
        for _ in range(count):
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            running.append(stack.enter_context(process))
            stack.callback(process.kill)
        for process in running:
            assert said(process) == "ready"
        yield running


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("before", ["readable", "missing", "private"])
def test_of_processes_that_start_at_once_one_gets_the_lock(tmp_path: Path, before: str) -> None:
    path = tmp_path / "lock"
    with racers(path, 3) as processes:
        for _ in range(150):
            path.unlink(missing_ok=True)
            if before != "missing":
                path.touch()
                path.chmod(0o644 if before == "readable" else 0o600)
            for process in processes:
                tell(process)
            answers = [said(process) for process in processes]
            assert answers.count("locked") == 1, answers
            holder = processes[answers.index("locked")]
            assert path.read_text() == f"{holder.pid}\n"
            assert path.stat().st_mode & 0o777 == 0o600
            tell(holder)
            with suppress(FileNotFoundError):
                wait_until_unlocked(path)


def wait_until_unlocked(path: Path) -> None:
    """Block until the holder has released the lock."""
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)


@pytest.mark.parametrize("name", ["lock", "lock.new"])
def test_a_link_in_place_of_a_lock_file_is_not_followed(tmp_path: Path, name: str) -> None:
    victim, path = tmp_path / "victim", tmp_path / "lock"
    victim.write_text("content")
    path.touch(0o644)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        FileLock(path, 0o600).acquire()
    assert victim.read_text() == "content"


def test_a_file_that_is_replaced_while_it_is_locked_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "lock", FileLock(tmp_path / "lock", 0o600)
    path.touch(0o600)
    lock_now, replaced = module._lock, []

    def replace_first(descriptor: int) -> bool:
        if not replaced:
            replaced.append(path)
            path.unlink()
            other.acquire()
        return lock_now(descriptor)

    monkeypatch.setattr(module, "_lock", replace_first)
    with pytest.raises(LockHeldError, match=f"process {os.getpid()}"):
        FileLock(path, 0o600).acquire()
    other.release()


def test_a_file_that_another_process_replaces_first_is_not_replaced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "lock", FileLock(tmp_path / "lock", 0o600)
    path.touch()
    path.chmod(0o644)
    is_private, looked = module._is_private, []

    def let_the_other_replace(descriptor: int) -> bool:
        if not looked:
            looked.append(descriptor)
            other.acquire()
            return False
        return is_private(descriptor)

    monkeypatch.setattr(module, "_is_private", let_the_other_replace)
    with pytest.raises(LockHeldError, match=f"process {os.getpid()}"):
        FileLock(path, 0o600).acquire()
    assert not path.with_name("lock.new").exists()
    other.release()
