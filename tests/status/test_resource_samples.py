"""Samples of memory and processors: taken while somebody looks, at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import attrs
import pytest

from actors.testing import advance, settle
from hive.clock import LoopClock
from hive.errors import FailedError
from hive.machines.resource_use import ResourceUse
from hive.status.resource_samples import STALE, WAIT, ResourceSamples, cpu_percent

pytestmark = pytest.mark.sim


@attrs.define
class Machines:
    """Machines whose use a test sets.

    Attributes:
        reads: Number of reads.
        hold: Delays the reads until it is set.
    """

    uses: dict[str, ResourceUse] = attrs.field(factory=dict)
    broken: str | None = None
    reads: int = 0
    hold: asyncio.Event | None = None

    async def read(self) -> Mapping[str, ResourceUse]:
        self.reads += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.broken is not None:
            raise FailedError(self.broken)
        return dict(self.uses)


@pytest.fixture
async def machines() -> Machines:
    return Machines({"alice": ResourceUse(1000, 5.0)})


@pytest.fixture
async def samples(machines: Machines) -> ResourceSamples:
    return ResourceSamples(machines.read, LoopClock(asyncio.get_running_loop()))


async def test_the_first_look_has_the_memory_and_the_second_the_processors(
    machines: Machines, samples: ResourceSamples
) -> None:
    await samples.look()
    first = samples.latest["alice"]
    assert (first.memory, first.cpu_percent) == (1000, None)
    machines.uses["alice"] = ResourceUse(2000, 6.0)
    await advance(2)
    await samples.look()
    await settle()
    second = samples.latest["alice"]
    assert (second.memory, second.cpu_percent) == (2000, 50.0)
    assert second.at == pytest.approx(first.at + 2)


async def test_many_looks_are_one_read_a_second(
    machines: Machines, samples: ResourceSamples
) -> None:
    for _ in range(100):
        await samples.look()
        await advance(0.1)
    assert 9 <= machines.reads <= 11
    await advance(1000)
    assert machines.reads <= 11, "nobody looks"


async def test_a_look_does_not_wait_for_a_slow_read_unless_there_is_nothing(
    machines: Machines, samples: ResourceSamples
) -> None:
    await samples.look()
    machines.hold = asyncio.Event()
    loop = asyncio.get_running_loop()
    await advance(2)
    began = loop.time()
    for _ in range(5):
        await samples.look()
        await settle()
    assert (loop.time(), machines.reads) == (began, 2)
    assert samples.latest["alice"].memory == 1000, "an old sample, with its age"
    await advance(STALE)
    looking = asyncio.ensure_future(samples.look())
    await advance(WAIT + 0.01)
    assert looking.done()
    machines.hold.set()
    await settle()
    assert machines.reads == 2


async def test_what_cannot_be_read_is_unknown(
    machines: Machines, samples: ResourceSamples, caplog: pytest.LogCaptureFixture
) -> None:
    await samples.look()
    machines.broken = "systemd does not answer"
    for _ in range(3):
        await advance(2)
        await samples.look()
        await settle()
    assert samples.latest == {}
    assert caplog.text.count("systemd does not answer") == 1


@pytest.mark.parametrize(
    ("before", "now", "seconds", "expected"),
    [
        (ResourceUse(1, 5.0), ResourceUse(1, 6.5), 1.0, 150.0),
        (ResourceUse(1, 5.0), ResourceUse(1, 1.0), 1.0, None),
        (None, ResourceUse(1, 1.0), 1.0, None),
        (ResourceUse(1, None), ResourceUse(1, 1.0), 1.0, None),
        (ResourceUse(1, 1.0), ResourceUse(1, None), 1.0, None),
        (ResourceUse(1, 1.0), ResourceUse(1, 1.0), 0.0, None),
    ],
)
def test_processor_time_is_that_of_one_run(
    before: ResourceUse | None, now: ResourceUse, seconds: float, expected: float | None
) -> None:
    assert cpu_percent(before, now, seconds) == expected
