"""Shielded work finishes before a cancellation is raised."""

from __future__ import annotations

import asyncio

import pytest

from hive.cancellation import shield_until_done


async def test_the_result_or_the_error_of_the_work_is_passed_on() -> None:
    async def work(error: Exception | None) -> int:
        await asyncio.sleep(0)
        if error is not None:
            raise error
        return 7

    assert await shield_until_done(work(None)) == 7
    with pytest.raises(ValueError, match="odd"):
        await shield_until_done(work(ValueError("odd")))


@pytest.mark.parametrize("error", [None, ValueError("not raised")])
async def test_cancellations_wait_for_the_end(error: Exception | None) -> None:
    release, ended = asyncio.Event(), False

    async def work() -> None:
        nonlocal ended
        await release.wait()
        ended = True
        if error is not None:
            raise error

    waiting = asyncio.ensure_future(shield_until_done(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended


async def test_work_that_was_cancelled_itself_is_a_cancellation() -> None:
    task = asyncio.ensure_future(asyncio.Event().wait())
    waiting = asyncio.ensure_future(shield_until_done(task))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
