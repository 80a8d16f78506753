"""The lag of the loop is what a timer is late."""

from __future__ import annotations

import asyncio

import pytest

from actors.testing import advance
from hive.histogram import Histogram
from hive.metrics.families import LAG_BOUNDS
from hive.metrics.loop_lag import PERIOD, LoopLag


@pytest.mark.sim
async def test_it_is_measured_once_in_a_period_and_only_until_the_end() -> None:
    lag = LoopLag(Histogram(LAG_BOUNDS))
    with lag.measure():
        await advance(10 * PERIOD)
    await advance(10 * PERIOD)
    assert sum(lag.seconds.counts) == 10
    assert lag.seconds.sum == pytest.approx(0.0)


async def test_a_blocked_loop_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive.metrics.loop_lag.PERIOD", 0.001)
    lag = LoopLag(Histogram(LAG_BOUNDS))
    with lag.measure():
        block(asyncio.get_running_loop(), 0.06)
        while not sum(lag.seconds.counts):
            await asyncio.sleep(0)
    assert lag.seconds.sum >= 0.05


def block(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    end = loop.time() + seconds
    while loop.time() < end:
        pass
