"""A store in a process of its own: its exit, its syncs, and a kill."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = """
import asyncio, sys
from pathlib import Path
from hive.store import Store

kept = []

async def main():
    store = Store(Path(sys.argv[1]))
    kept.append(store)  # still referenced while the interpreter shuts down
    await store.open()
    await store.append_event("before")
    store.append_event("waiting")
    raise RuntimeError("crash on purpose")

asyncio.run(main())
"""

COMMITS = """
import asyncio, sys
from pathlib import Path
from hive.store import Store

async def main():
    async with Store(Path(sys.argv[1])) as store:
        for number in range(int(sys.argv[2])):
            await store.append_event("tick")

asyncio.run(main())
"""

ENDLESS = """
import asyncio, sys
from pathlib import Path
from hive.store import Store

async def main():
    async with Store(Path(sys.argv[1])) as store:
        while True:
            numbers = await asyncio.gather(*(store.append_event("tick") for _ in range(5)))
            print(*numbers, flush=True)

asyncio.run(main())
"""


def python(script: str, *args: object) -> list[str]:
    return [sys.executable, "-c", script, *map(str, args)]


def test_a_program_that_fails_without_closing_the_store_exits(path: Path) -> None:
    done = subprocess.run(
        python(CRASH, path), capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert "RuntimeError: crash on purpose" in done.stderr
    assert "Exception in thread" not in done.stderr


def test_every_commit_reaches_the_disk(path: Path, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    commits, report = 50, tmp_path / "strace.txt"
    trace = [strace, "-f", "-c", "-e", "trace=fdatasync,fsync", "-o", str(report)]
    done = subprocess.run(
        trace + python(COMMITS, path, commits),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    assert syncs(report.read_text()) >= commits


def syncs(report: str) -> int:
    """Return the sum of the calls, the fourth column of the report of `strace -c`."""
    rows = [line.split() for line in report.splitlines()]
    return sum(int(row[3]) for row in rows if row and row[-1] in {"fdatasync", "fsync"})


def test_a_killed_program_loses_no_confirmed_write(path: Path) -> None:
    for _ in range(3):
        with subprocess.Popen(python(ENDLESS, path), stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(20)]
            os.kill(child.pid, signal.SIGKILL)
            lines += child.stdout.readlines()
        complete = [line for line in lines if line.endswith("\n")]
        promised = {int(number) for line in complete for number in line.split()}
        assert promised <= stored(path)


def stored(path: Path) -> set[int]:
    import sqlite3

    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = {row[0] for row in connection.execute("SELECT seq FROM events")}
    connection.close()
    return found
