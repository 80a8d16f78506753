"""Whether the store takes writes, and since when it does not.

A commit that fails for a reason outside of it (the disk is full, the file cannot be written,
another program holds the lock) is the beginning of trouble. Until it is over every write is refused
at once with that reason. Reads go on. The writer tries the disk again by itself, and the trouble
ends with the first commit that succeeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field, frozen

from hive.clock import Clock, rfc3339
from hive.store.errors import StoreClosedError, StoreError


@frozen
class Trouble:
    """Why the store takes no writes.

    Attributes:
        error: What the first write that failed was told.
        since: Wall seconds of that write.
        lasting: Whether nothing but a restart of the daemon ends it.
    """

    error: StoreError
    since: float
    lasting: bool = False

    def refusal(self) -> StoreError:
        """Return the error of a write that was not even tried."""
        return type(self.error)(f"nothing is stored since {rfc3339(self.since)}: {self.error}")


Listener = Callable[[Trouble | None, Trouble | None], None]
"""Called with the trouble before and the trouble now; None is a store that takes writes."""


@define(eq=False)
class Health:
    """The store's one answer to "does it take writes?". Everything runs on the loop's thread.

    Attributes:
        trouble: What is wrong; None while all is well.
    """

    _clock: Clock
    trouble: Trouble | None = field(default=None, init=False)
    _listeners: list[Listener] = field(factory=list, init=False)
    _waiting: list[asyncio.Future[None]] = field(factory=list, init=False)
    _closed: StoreClosedError | None = field(default=None, init=False)

    def fail(self, error: StoreError, *, lasting: bool) -> None:
        """Note that a write failed; the first one of a trouble is the one that is told of."""
        if self.trouble is None or (lasting and not self.trouble.lasting):
            self._change(Trouble(error, self._clock.now(), lasting))

    def recover(self) -> None:
        """Note that a write succeeded."""
        if self.trouble is not None:
            self._change(None)
            self._wake()

    def open(self) -> None:
        """Begin anew with a file that was just opened; whether it is well is said next."""
        self._closed = None

    def close(self, error: StoreClosedError) -> None:
        """Tell whoever waits that nothing more will happen."""
        self._closed = error
        self._wake()

    async def until_good(self) -> None:
        """Wait until writes are taken.

        Raises:
            StoreClosedError: The store was closed first.
        """
        while self.trouble is not None:
            if self._closed is not None:
                raise self._closed
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` whenever trouble begins, ends or becomes another one."""
        self._listeners.append(listener)

    def _change(self, trouble: Trouble | None) -> None:
        before, self.trouble = self.trouble, trouble
        for listener in self._listeners:
            listener(before, trouble)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
