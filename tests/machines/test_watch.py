"""Who hears of the end of a process, and in which order."""

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


async def test_nobody_who_waits_hears_of_an_end_before_its_watcher_does(
    handle: ProcessHandle,
) -> None:
    """Else a stop that comes just then returns first, and its agent seems to run on."""
    told: list[Ended] = []
    known: list[bool] = []

    def find_out(process: WatchedProcess) -> None:
        process.report_end(ENDED)
        known.append(process.ended.done() and not told)

    process = WatchedProcess(handle, told.append, find_out, adopted=False)
    assert await asyncio.shield(process.ended) == ENDED
    assert (known, told) == ([False], [ENDED])
