"""The requests of one client that have no answer yet, and what a lost connection means for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import Enum

from attrs import define, field

from hive.client.responses import Fields


class Repeat(Enum):
    """When a request may be written again on a new connection."""

    ALWAYS = "always"
    """Twice is as good as once."""
    UNWRITTEN = "unwritten"
    """Only if no byte of it has left: twice would be two messages."""


@define(eq=False)
class Call:
    """A request that waits for its answer.

    Attributes:
        req: Its number, which the response repeats.
        line: What is written.
        repeat: What happens to it when the connection is lost.
        timeout: Seconds that its answer may take once it is written.
        timer: Ends the present phase: the wait to be written, or the wait for the answer.
    """

    req: int
    line: bytes
    future: asyncio.Future[Fields]
    repeat: Repeat
    timeout: float
    written: bool = False
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        """End the watch over the present phase."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@define(eq=False)
class Calls:
    """The calls of one client, in the order in which they were made."""

    _by_req: dict[int, Call] = field(factory=dict)

    def __len__(self) -> int:
        return len(self._by_req)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._by_req.values()))

    def add(self, call: Call) -> None:
        """Remember a call until it is answered or dropped."""
        self._by_req[call.req] = call

    def take(self, req: object) -> Call | None:
        """Forget the call of a response and return it; None if nobody waits for it."""
        call = self._by_req.pop(req, None) if isinstance(req, int) else None
        if call is not None:
            call.stop_timer()
        return call

    def unwritten(self) -> tuple[Call, ...]:
        """Return what is to be written on a new connection, oldest first."""
        return tuple(call for call in self if not call.written and not call.future.done())

    def lose_connection(self) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
        """Split the written calls into those that failed and those that are to be written again."""
        written = [call for call in self if call.written]
        failed = tuple(
            call for call in written if call.repeat is Repeat.UNWRITTEN or call.future.done()
        )
        for call in failed:
            self.take(call.req)
        again = tuple(call for call in written if call not in failed)
        for call in again:
            call.written = False
        return failed, again
