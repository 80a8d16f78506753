"""The test ground itself: it must fail tests that leak or block, and only those."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import loops

ROOT = Path(__file__).parents[1]


def run(tmp_path: Path, source: str, *options: str) -> str:
    """Run `source` as a test module in a pytest of its own and return the output."""
    (tmp_path / "test_inner.py").write_text(source)
    command = [sys.executable, "-m", "pytest", f"--config-file={ROOT / 'pyproject.toml'}"]
    command += [f"--rootdir={tmp_path}", "-p", "tests.conftest", "-v", "-p", "no:randomly"]
    done = subprocess.run(
        [*command, *options, "test_inner.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HYPOTHESIS_PROFILE": "ci"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


LOOPS = """
import asyncio
import pytest

@pytest.mark.sim
async def test_simulated(): await asyncio.sleep(3600)

async def test_real():
    loop = asyncio.get_running_loop()
    assert loop.get_debug() == isinstance(loop, asyncio.BaseEventLoop)

@pytest.mark.loops("uvloop")
async def test_chosen(): assert "uvloop" in type(asyncio.get_running_loop()).__module__

def test_sync(): pass
"""


def test_each_test_runs_on_its_loops(tmp_path: Path) -> None:
    output = run(tmp_path, LOOPS, "--sim-seeds=2")
    ran = [line.split()[0] for line in output.splitlines() if " PASSED " in line]
    assert ran == [
        "test_inner.py::test_simulated[sim-0]",
        "test_inner.py::test_simulated[sim-1]",
        "test_inner.py::test_real[asyncio]",
        "test_inner.py::test_real[uvloop]",
        "test_inner.py::test_chosen",
        "test_inner.py::test_sync",
    ]
    assert "hypothesis profile 'ci'" in output
    assert "6 passed" in output


@pytest.mark.parametrize(
    ("marks", "complaint"),
    [
        ([pytest.mark.loops("uvlop")], "`loops` takes at least one of asyncio, uvloop"),
        ([pytest.mark.loops()], "`loops` takes at least one of asyncio, uvloop"),
        ([pytest.mark.loops("uvloop"), pytest.mark.sim()], "choose `sim` or `loops`, not both"),
    ],
)
def test_a_wrong_choice_of_loops_is_refused(
    request: pytest.FixtureRequest, marks: list[pytest.MarkDecorator], complaint: str
) -> None:
    for mark in marks:
        request.node.add_marker(mark)
    with pytest.raises(pytest.fail.Exception, match=complaint):
        loops.factories(request.node, seeds=3)


LEAKS = """
import asyncio, os, socket, threading
import pytest

kept = []

async def test_task():
    kept.append(asyncio.create_task(asyncio.Event().wait(), name="left behind"))

def test_fd(): kept.append(os.pipe())

async def test_socket(): kept.append(socket.socketpair())

def test_thread():
    kept.append(threading.Event())
    threading.Thread(target=kept[-1].wait, name="left behind").start()

def test_release_the_thread(): kept[-1].set()

async def test_clean():
    left, right = socket.socketpair()
    left.close(), right.close()
    ended = asyncio.create_task(asyncio.Event().wait())
    ended.cancel()
    await asyncio.to_thread(len, "abc")
    daemon = threading.Thread(target=threading.Event().wait, daemon=True).start()

@pytest.fixture
async def server():
    task = asyncio.create_task(asyncio.Event().wait())
    yield
    task.cancel()

async def test_fixture_may_hold_a_task(server): pass

async def test_error_in_callback():
    asyncio.get_running_loop().call_soon(lambda: 1 // 0)
    await asyncio.sleep(0)

async def test_expected_error_in_callback():
    loop, seen = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda loop, error: seen.append(error["exception"]))
    loop.call_soon(lambda: 1 // 0)
    await asyncio.sleep(0)
    assert isinstance(seen[0], ZeroDivisionError)

def test_failed_anyway():
    kept.append(os.pipe())
    assert False
"""


def test_leaks_fail_the_test_that_left_them(tmp_path: Path) -> None:
    output = run(tmp_path, LEAKS)
    errors = [line for line in output.splitlines() if line.startswith("ERROR ")]
    assert [line.split("::")[1].split(" - ")[0] for line in errors] == [
        "test_task[asyncio]",
        "test_task[uvloop]",
        "test_fd",
        "test_socket[asyncio]",
        "test_socket[uvloop]",
        "test_thread",
        "test_error_in_callback[asyncio]",
        "test_error_in_callback[uvloop]",
    ]
    assert "the test left these tasks running" in output
    assert "name='left behind'" in output
    assert "nobody handled these errors" in output
    assert ": socket:[" in output
    assert ": pipe:[" in output


BLOCKING = """
import time
import pytest
import hive

# Code that claims to be ours.
source = '''
import sqlite3, time

def nap(): time.sleep(0)

def query():
    connection = sqlite3.connect(":memory:")
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    connection.close()
'''
exec(compile(source, hive.__path__[0] + "/blocks.py", "exec"))

async def test_nap(): nap()

async def test_nap_of_a_test(): time.sleep(0)

def test_nap_in_sync_test(): nap()

async def test_allowed_nap(blockbuster):
    blockbuster.functions["time.sleep"].deactivate()
    nap()

async def test_next_nap(): nap()

async def test_query(): query()

@pytest.mark.sim
async def test_simulated_query(): query()

@pytest.mark.sim
async def test_simulated_nap(): nap()
"""


def test_blocking_the_loop_fails_the_test(tmp_path: Path) -> None:
    output = run(tmp_path, BLOCKING, "--sim-seeds=1")
    failed = [line.split()[0] for line in output.splitlines() if " FAILED " in line]
    assert [test.removeprefix("test_inner.py::") for test in failed] == [
        "test_nap[asyncio]",
        "test_nap[uvloop]",
        "test_next_nap[asyncio]",
        "test_next_nap[uvloop]",
        "test_query[asyncio]",
        "test_query[uvloop]",
        "test_simulated_nap",
    ]
    assert "BlockingError: Blocking call to time.sleep" in output
    assert "BlockingError: Blocking call to sqlite3.Connection.execute" in output
