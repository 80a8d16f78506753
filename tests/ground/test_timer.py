"""The timer fires at the earliest of the times set."""

import asyncio

import pytest

from hive.timer import Timer


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_timer_can_be_set_to_a_past_time_and_set_again() -> None:
    fired: asyncio.Queue[str] = asyncio.Queue()
    timer = Timer()
    timer.set(now(), lambda: fired.put_nowait("first"))
    timer.set(now() + 60, lambda: fired.put_nowait("later"))
    assert await fired.get() == "first"
    timer.set(now() - 1, lambda: fired.put_nowait("again"))
    assert await fired.get() == "again"
    assert fired.empty()


@pytest.mark.sim
async def test_a_timer_fires_at_the_earliest_time_set() -> None:
    began, fired = now(), []
    timer = Timer()
    for delay in (30, 20, 25):
        timer.set(began + delay, lambda delay=delay: fired.append((delay, now() - began)))
    await asyncio.sleep(100)
    assert fired == [(20, pytest.approx(20))]


@pytest.mark.sim
async def test_a_cancelled_timer_does_not_fire_and_can_be_set_again() -> None:
    began, fired = now(), []
    timer = Timer()
    timer.set(began + 10, lambda: fired.append("cancelled"))
    timer.cancel()
    timer.cancel()
    timer.set(began + 50, lambda: fired.append("later"))
    await asyncio.sleep(100)
    assert fired == ["later"]


@pytest.mark.loops("uvloop")
async def test_a_timer_does_not_fire_early() -> None:
    """uvloop rounds down to whole milliseconds; this delay has a fraction."""
    fired: asyncio.Queue[float] = asyncio.Queue()
    due = now() + 0.0104
    Timer().set(due, lambda: fired.put_nowait(now()))
    assert await fired.get() >= due
