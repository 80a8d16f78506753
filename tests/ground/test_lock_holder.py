"""The process that holds a lock is found, with where its sockets are, or were."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hive import lock_holder
from hive.lock_holder import LockHolder, find_holder, holder_of
from hive.locks import FileLock, LockHeldError

DAEMON = """
import sys
from pathlib import Path
from hive.locks import FileLock
for path in sys.argv[1:]:
    FileLock(Path(path), 0o600).acquire()
    held = globals().setdefault("held", [])
    held.append(open(path))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(name="state")
def _state(tmp_path: Path) -> Path:
    return tmp_path / "hive-c0re.lock"


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "host.lock"


@pytest.fixture(name="daemon")
def _daemon(state: Path, run: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", DAEMON, str(state), str(run)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_the_holder_is_found_with_its_run_directory(daemon, state, run):
    assert find_holder(state) == LockHolder(daemon.pid, run.parent)


def test_a_removed_run_directory_is_seen(daemon, state, run):
    shutil.rmtree(run.parent)

    assert find_holder(state) == LockHolder(daemon.pid, run.parent, is_removed=True)


def test_the_pid_of_a_process_that_has_ended_is_no_holder(daemon, state):
    daemon.kill()
    daemon.wait()

    assert find_holder(state) is None


@pytest.mark.parametrize("text", ["", "nonsense", "99999999", "{}"])
def test_a_file_that_nobody_has_open_has_no_holder(state, text):
    state.write_text(text.format(os.getpid()))

    assert find_holder(state) is None
    assert find_holder(state.with_name("missing")) is None


def test_of_a_process_that_cannot_be_seen_only_the_pid_is_known(monkeypatch, tmp_path):
    monkeypatch.setattr(lock_holder, "PROC", tmp_path)

    assert holder_of(7) == LockHolder(7, None)


@pytest.mark.parametrize(
    ("holder", "end", "reach"),
    [
        (LockHolder(7, Path("/r")), "'hive-c0re shutdown' ends it", None),
        (
            LockHolder(7, Path("/q")),
            "'HYPERHIVE_RUN_DIR=/q hive-c0re shutdown' ends it",
            "set HYPERHIVE_RUN_DIR=/q",
        ),
        (
            LockHolder(7, Path("/r"), is_removed=True),
            "its sockets in /r were removed; 'kill 7' ends it",
            None,
        ),
        (
            LockHolder(7, None),
            "'hive-c0re shutdown' ends it, or 'kill 7' where its sockets are gone",
            None,
        ),
    ],
)
def test_the_way_to_a_daemon(holder, end, reach):
    ours = Path("/r")

    assert holder.way_to_end(ours) == end
    assert holder.way_to_reach(ours) == (reach or end)


# The lock of a directory that comes back


def test_a_removed_lock_is_taken_again(run):
    lock = FileLock(run, 0o600)
    lock.acquire()
    run.unlink()

    lock.restore()

    assert run.read_text() == f"{os.getpid()}\n"
    with pytest.raises(LockHeldError):
        FileLock(run, 0o600).acquire()
    lock.release()
    after = FileLock(run, 0o600)
    after.acquire()
    after.release()


def test_a_lock_that_another_has_taken_meanwhile_is_not(run):
    lock, other = FileLock(run, 0o600), FileLock(run, 0o600)
    lock.acquire()
    run.unlink()
    other.acquire()

    with pytest.raises(LockHeldError):
        lock.restore()

    other.release()
    lock.restore()
    with pytest.raises(LockHeldError):
        other.acquire()
    lock.release()


def test_a_lock_in_its_place_or_never_taken_is_left_alone(run):
    lock = FileLock(run, 0o600)
    lock.restore()
    assert not run.exists()
    lock.acquire()
    before = run.stat()

    lock.restore()

    assert run.stat().st_ino == before.st_ino
    lock.release()
