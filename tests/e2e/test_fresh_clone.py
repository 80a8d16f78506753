"""First steps: clone, `make run`, send a message from another terminal, Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hive.locks import FileLock, LockHeldError
from tests.support.daemons import HiveOnDisk, eventually, pids_of
from tests.web.dashboard_process import free_port

ROOT = Path(__file__).parents[2]

SIZE_MAX = 110e6
"""Bytes of the environment that `make run` makes, as `du` counts them."""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")
def test_make_run_on_a_fresh_clone_answers_and_ends_cleanly(hive: HiveOnDisk) -> None:
    clone = hive.run_dir / "clone"  # of a short path, for the sockets in it
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    env = {name: value for name, value in hive.env.items() if not name.startswith("PYTEST")}
    env["PATH"] = os.environ["PATH"]
    env["WEB"] = f"127.0.0.1:{free_port()}"
    with hive.log.open("ab") as log:
        make = subprocess.Popen(
            ["make", "run", f"PYTHON={sys.base_prefix}/bin/python3"],
            cwd=clone,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def verb(line: str) -> str:
        """Run a line of the README in another terminal."""
        words = ["sh", "-c", f". .run/env && {line}"]
        done = subprocess.run(
            words, cwd=clone, env=env, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        eventually(
            lambda: make.poll() is not None or (clone / ".run" / "host.sock").exists(),
            within=300,
            what="a running hive",
        )
        assert make.poll() is None, hive.output()
        verb('hive-c0re send alice "log -1 --format=%H"')
        head = subprocess.check_output(["git", "-C", str(clone), "rev-parse", "HEAD"], text=True)
        eventually(lambda: head.strip() in verb("hive-c0re inbox operator"), what="the answer")
        where = f"http://localhost:{env['WEB'].partition(':')[2]}"
        assert f"the dashboard is at {where}/\n" in hive.output()
        assert f"log in once, within 10 minutes: {where}/login?token=" in hive.output()
        assert verb("hive-c0re web-login").startswith(f"{where}/login?token=")
    finally:
        os.killpg(make.pid, signal.SIGINT)
        status = make.wait(60)
    assert status in {0, 2, 130, -signal.SIGINT}, hive.output()
    assert pids_of(clone / ".run" / "state") == {}
    eventually(lambda: not is_locked(clone / ".run-web" / "web.lock"), what="no dashboard")
    assert "daemon_started" in hive.output()
    assert "Traceback" not in hive.output()
    assert not hive.state_dir.exists(), "the example has its own state"
    assert not list(hive.run_dir.glob("*.sock")), "and its own sockets"
    assert size_of(clone / ".venv") < SIZE_MAX


def is_locked(path: Path) -> bool:
    """Return whether a process holds a lock."""
    lock = FileLock(path, 0o600)
    try:
        lock.acquire()
    except LockHeldError:
        return True
    lock.release()
    return False


def size_of(directory: Path) -> int:
    """Return the bytes that the files below a directory take."""
    found = {each.lstat().st_ino: each.lstat() for each in directory.rglob("*")}
    return sum(each.st_blocks * 512 for each in found.values())
