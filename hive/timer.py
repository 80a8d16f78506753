"""A timer of the event loop that fires at the earliest of the times set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field

from actors import not_before


@define(eq=False)
class Timer:
    """A timer that fires once, at the earliest time set since it last fired.

    It stores that time itself: `call_at` of uvloop returns a plain `Handle`, without `when`, for a
    time that has passed.
    """

    _when: float = field(default=0.0, init=False)
    _handle: asyncio.Handle | None = field(default=None, init=False)

    def set(self, when: float, callback: Callable[[], object]) -> None:
        """Call `callback` at a time of the loop in seconds, unless an earlier time is set."""
        if self._handle is not None:
            if self._when <= when:
                return
            self._handle.cancel()
        self._when = when
        loop = asyncio.get_running_loop()
        self._handle = loop.call_at(not_before(when, loop), self._fire, callback)

    def cancel(self) -> None:
        """Cancel the timer. Idempotent."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self, callback: Callable[[], object]) -> None:
        self._handle = None
        callback()
