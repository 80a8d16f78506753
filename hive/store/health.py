"""Store health: whether the store accepts writes, and the trouble because of which it does not.

Trouble begins with a commit that fails for an external reason: the disk is full, the file cannot be
written, another program holds the lock. Until it ends, every write is refused at once with that
reason; reads are served. The writer probes the disk; the first commit that succeeds ends the
trouble.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field, frozen

from hive.clock import Clock, rfc3339
from hive.store.errors import StoreClosedError, StoreError
from hive.subscribers import Subscribers


@frozen
class Trouble:
    """The reason why the store accepts no writes.

    Attributes:
        error: Error of the first write that failed.
        since: Wall time of that write in seconds.
        lasting: Whether only a restart of the daemon ends it.
    """

    error: StoreError
    since: float
    lasting: bool = False

    def refusal(self) -> StoreError:
        """Return the error of a write that was refused without an attempt."""
        return type(self.error)(f"nothing is stored since {rfc3339(self.since)}: {self.error}")


Listener = Callable[[Trouble | None, Trouble | None], None]
"""Called with the trouble before and the trouble now; None is a healthy store."""


@define(eq=False)
class Health:
    """Current health of the store. All methods run on the loop's thread.

    Attributes:
        trouble: The current trouble; None while writes are accepted.
    """

    _clock: Clock
    trouble: Trouble | None = field(default=None, init=False)
    _subscribers: Subscribers[[Trouble | None, Trouble | None]] = field(
        factory=lambda: Subscribers("the health of the store"), init=False
    )
    _waiting: list[asyncio.Future[None]] = field(factory=list, init=False)
    _closed: StoreClosedError | None = field(default=None, init=False)

    def fail(self, error: StoreError, *, lasting: bool) -> None:
        """Record that a write failed. During trouble only a lasting error replaces the first."""
        if self.trouble is None or (lasting and not self.trouble.lasting):
            self._change(Trouble(error, self._clock.now(), lasting))

    def recover(self) -> None:
        """Record that a write succeeded."""
        if self.trouble is not None:
            self._change(None)
            self._wake()

    def open(self) -> None:
        """Reset for a file that was just opened; `fail` or `recover` follows."""
        self._closed = None

    def close(self, error: StoreClosedError) -> None:
        """Make `until_recovered` raise this error if the store is in trouble."""
        self._closed = error
        self._wake()

    async def until_recovered(self) -> None:
        """Wait until writes are accepted.

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
        """Call `listener` whenever trouble begins, ends or is replaced."""
        self._subscribers.add(listener)

    def _change(self, trouble: Trouble | None) -> None:
        before, self.trouble = self.trouble, trouble
        self._subscribers.notify(before, trouble)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
