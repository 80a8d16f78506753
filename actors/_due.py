"""When to ask an event loop to call, so that it does not call too early."""

import asyncio
import math
from typing import Final

_TICKS: Final = 1000
"""uvloop's clock counts milliseconds."""


def not_before(due: float, loop: asyncio.AbstractEventLoop) -> float:
    """Return the time to give to `loop.call_at`, so that the call does not come before `due`.

    uvloop counts in whole milliseconds and takes the nearest, so it may call half of one too
    early by its own clock. Who then waits for the rest waits for nothing, which it rounds to
    zero, over and over until the clock ticks. So it is asked for the next whole millisecond.
    The loops of the standard library, and the simulation's, keep the exact time.
    """
    if isinstance(loop, asyncio.BaseEventLoop) or due == math.inf:
        return due
    tick = math.ceil(due * _TICKS)
    # The product is rounded, so the tick may lie a hair before the time that it was made of.
    return (tick if tick / _TICKS >= due else tick + 1) / _TICKS
