"""The time limit of a step, in which the time for which its agents are frozen does not count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

LOOK_SECONDS = 1.0
"""Seconds between two looks whether an agent is frozen: that changes seldom, and a step is long."""


async def wait_within(
    step: asyncio.Future[Any], seconds: float | None, is_frozen: Callable[[], bool]
) -> None:
    """Wait for a step, at most some seconds.

    Args:
        step: What is waited for; it goes on if its time is over.
        seconds: The limit; None for none.
        is_frozen: Whether it waits for the thaw of an agent now.

    Raises:
        TimeoutError: Its time is over.
    """
    loop = asyncio.get_running_loop()
    while not step.done():
        if seconds is None:
            await asyncio.wait([step])
            return
        if seconds <= 0:
            raise TimeoutError
        frozen, began = is_frozen(), loop.time()
        await asyncio.wait([step], timeout=LOOK_SECONDS if frozen else min(seconds, LOOK_SECONDS))
        seconds -= 0.0 if frozen else loop.time() - began
