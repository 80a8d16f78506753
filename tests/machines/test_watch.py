"""The order in which the exit of a process is reported."""

import asyncio
import os
import subprocess
from collections.abc import Iterator

import pytest

from hive.exits import Ended, Exited
from hive.machines.process.runfile import RunRecord
from hive.machines.process.spawn import ProcessHandle
from hive.machines.process.watch import WatchedProcess

ENDED = Ended(Exited(0), 1.0, ())
RECORD = RunRecord("alice", "run", "boot", started_at=0.0, log_file="/dev/null", log_start=0)


@pytest.fixture
def handle() -> Iterator[ProcessHandle]:
    """A child that ends at once."""
    with subprocess.Popen("true") as child:
        yield ProcessHandle(RECORD, child.pid, os.pidfd_open(child.pid))


async def test_the_watcher_gets_the_exit_before_any_waiter(
    handle: ProcessHandle,
) -> None:
    """Else a concurrent stop could return while the agent still seems to run."""
    reported: list[Ended] = []
    known: list[bool] = []

    def find_out(process: WatchedProcess) -> None:
        process.report_end(ENDED)
        known.append(process.ended.done() and not reported)

    process = WatchedProcess(handle, reported.append, find_out, adopted=False)
    assert await asyncio.shield(process.ended) == ENDED
    assert (known, reported) == ([False], [ENDED])
