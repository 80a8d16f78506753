"""A time limit counts the time in which the program runs, not that in which it is frozen."""

from __future__ import annotations

import asyncio

import pytest

from hive.harness.run_time import run_time_limit


@pytest.mark.sim
async def test_a_limit_ends_what_runs_for_longer() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        async with run_time_limit(600.5):
            await asyncio.sleep(1000)
    assert loop.time() - began == pytest.approx(600.5)


@pytest.mark.sim
async def test_what_ends_in_time_leaves_no_timer_behind() -> None:
    async with run_time_limit(5):
        await asyncio.sleep(4)
    await asyncio.sleep(10)


@pytest.mark.sim
@pytest.mark.parametrize("frozen", [10.0, 10_000.0])
async def test_frozen_time_does_not_count(frozen: float) -> None:
    loop = asyncio.get_running_loop()
    began, late = loop.time(), 0.0

    async def work() -> None:
        nonlocal late
        async with run_time_limit(20, lambda: loop.time() + late):
            await asyncio.sleep(5.5)
            late = frozen
            await asyncio.sleep(1000)

    with pytest.raises(TimeoutError):
        await work()
    assert loop.time() - began == pytest.approx(20, abs=1.0)
