"""Cancellation: wait for work that must finish first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def shield_until_done(work: Awaitable[T]) -> T:
    """Wait for work that must finish, and return its result.

    A cancellation of the caller is raised only when the work is done. Otherwise the caller would
    release resources that the work still uses: a thread, for one, cannot be cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            await _until_done(task)
        if not task.cancelled():
            task.exception()  # marked as retrieved: the cancellation is raised instead
        raise


async def _until_done(task: asyncio.Future[T]) -> None:
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        return  # a further one; the first is raised at the end
