"""One timer of the event loop; of the times that are asked for, the earliest holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field

from actors import not_before


@define(eq=False)
class Timer:
    """Rings once, at the earliest time that it was set to since it rang last.

    The time is kept here, since not every handle knows it: uvloop's `call_at` returns a plain
    `Handle` for a time that has come.
    """

    _when: float = field(default=0.0, init=False)
    _handle: asyncio.Handle | None = field(default=None, init=False)

    def set(self, when: float, ring: Callable[[], object]) -> None:
        """Call `ring` at a time of the loop, in seconds, unless something is called before that."""
        if self._handle is not None:
            if self._when <= when:
                return
            self._handle.cancel()
        self._when = when
        loop = asyncio.get_running_loop()
        self._handle = loop.call_at(not_before(when, loop), self._ring, ring)

    def cancel(self) -> None:
        """Do not ring. Idempotent."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self, ring: Callable[[], object]) -> None:
        self._handle = None
        ring()
