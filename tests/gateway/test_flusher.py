"""Everybody who has something to write writes in one callback at the end of the turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field

from hive.gateway.flusher import Flusher


@define(eq=False)
class Writer:
    """Notes when it writes, and may want to write again."""

    log: list[str]
    name: str
    again: Callable[[Writer], None] | None = None
    written: int = field(default=0, init=False)

    def flush(self) -> None:
        self.log.append(self.name)
        self.written += 1
        if self.again is not None and self.written == 1:
            self.again(self)


async def test_all_of_one_turn_are_flushed_together_and_once() -> None:
    log: list[str] = []
    flusher = Flusher()
    for name in "abc":
        flusher.add(Writer(log, name))
    assert log == [], "more answers of this turn may come"
    asyncio.get_running_loop().call_soon(log.append, "behind")
    await asyncio.sleep(0)
    assert log == ["a", "b", "c", "behind"]
    await asyncio.sleep(0)
    assert len(log) == 4


async def test_what_is_added_meanwhile_is_flushed_in_the_next_turn() -> None:
    log: list[str] = []
    flusher = Flusher()
    flusher.add(Writer(log, "first", again=flusher.add))
    await asyncio.sleep(0)
    assert log == ["first"]
    await asyncio.sleep(0)
    assert log == ["first", "first"]
