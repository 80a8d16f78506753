"""The times of lines that an agent prints in a container."""

import asyncio
import time

import pytest

from hive.exits import Exited
from hive.machines.timed_output import LinesWanted, TimedLines
from tests.systemd.host.lab import ContainerLab

pytestmark = pytest.mark.loops("uvloop")

PAUSE = 0.5


async def test_lines_have_the_times_at_which_they_were_printed(lab: ContainerLab) -> None:
    begun = time.time()
    script = f"printf 'red \\033[31m\\377\\n'; sleep {PAUSE}; echo two; sleep {PAUSE}; echo three"
    spec = lab.script(script, created_at=begun)
    assert (await (await lab.start(spec)).first()).how == Exited(0)

    async def lines(wanted: LinesWanted) -> TimedLines:
        found: TimedLines = await asyncio.to_thread(lab.runtime.timed_lines, spec, wanted)
        assert found.searched_from is None
        return found

    everything = (await lines(LinesWanted(100))).lines
    assert [each.text for each in everything] == ["red \ufffd", "two", "three"]
    first, second, third = (each.at for each in everything)
    assert begun < first
    assert second - first > PAUSE * 0.8
    assert third - second > PAUSE * 0.8
    assert third < time.time()
    assert (await lines(LinesWanted(2))).lines == everything[1:]
    assert (await lines(LinesWanted(100, until=third))).lines == everything[:2]
    assert (await lines(LinesWanted(100, since=second))).lines == everything[1:]
    assert (await lines(LinesWanted(1, until=third))).lines == everything[1:2]
