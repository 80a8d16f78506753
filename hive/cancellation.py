"""Waiting that a cancellation cannot cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def shield_until_done(work: Awaitable[T]) -> T:
    """Wait for work that has to be finished, and return its result.

    A cancellation of the waiter is raised only when the work is over: whoever stops waiting lets go
    of what the work uses, and a thread, for one, goes on all the same.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            await _until_done(task)
        if not task.cancelled():
            task.exception()  # the cancellation is what the waiter hears of
        raise


async def _until_done(task: asyncio.Future[T]) -> None:
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        return  # told before; it is raised at the end
