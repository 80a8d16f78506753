"""The timer of which the earliest time holds."""

import asyncio

import pytest

from hive.timer import Timer


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_time_that_has_come_can_be_asked_for_and_does_not_keep_it_from_being_set() -> None:
    rung: asyncio.Queue[str] = asyncio.Queue()
    alarm = Timer()
    alarm.set(now(), lambda: rung.put_nowait("first"))
    alarm.set(now() + 60, lambda: rung.put_nowait("later"))
    assert await rung.get() == "first"
    alarm.set(now() - 1, lambda: rung.put_nowait("again"))
    assert await rung.get() == "again"
    assert rung.empty()


@pytest.mark.sim
async def test_the_earliest_time_holds() -> None:
    began, rung = now(), []
    alarm = Timer()
    for delay in (30, 20, 25):
        alarm.set(began + delay, lambda delay=delay: rung.append((delay, now() - began)))
    await asyncio.sleep(100)
    assert rung == [(20, pytest.approx(20))]


@pytest.mark.sim
async def test_once_cancelled_it_does_not_ring_and_can_be_set_later() -> None:
    began, rung = now(), []
    alarm = Timer()
    alarm.set(began + 10, lambda: rung.append("cancelled"))
    alarm.cancel()
    alarm.cancel()
    alarm.set(began + 50, lambda: rung.append("later"))
    await asyncio.sleep(100)
    assert rung == ["later"]


@pytest.mark.loops("uvloop")
async def test_it_rings_once_its_time_has_come_and_not_a_moment_before() -> None:
    """uvloop rounds to whole milliseconds: of this delay it leaves out the last four tenths."""
    rung: asyncio.Queue[float] = asyncio.Queue()
    due = now() + 0.0104
    Timer().set(due, lambda: rung.put_nowait(now()))
    assert await rung.get() >= due
