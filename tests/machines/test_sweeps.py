"""One search of the process table serves all agents that have ended before it began."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hive.machines.process.procfs import Process
from hive.machines.process.spawn import ProcessHandle
from hive.machines.process.sweeps import Sweeps


class Table:
    """A process table that is searched when the test says so."""

    def __init__(self) -> None:
        self.searches: list[list[str]] = []
        self.may_go_on = Event()
        self.error: Exception | None = None

    def search(self, handles: Sequence[Any]) -> list[list[Process]]:
        self.searches.append([handle.name for handle in handles])
        assert self.may_go_on.wait(10)
        if self.error is not None:
            raise self.error
        return [[Process(1, handle.name, False, 1, 1)] for handle in handles]


def handle(name: str) -> ProcessHandle:
    return cast("ProcessHandle", SimpleNamespace(name=name))


async def searching(table: Table, count: int) -> None:
    async with asyncio.timeout(10):
        while len(table.searches) < count:
            await asyncio.sleep(0)


async def test_ends_during_a_search_share_the_next_one() -> None:
    table = Table()
    sweeps = Sweeps(table.search)
    first = asyncio.create_task(sweeps.left_by(handle("a")))
    await searching(table, 1)
    others = [asyncio.create_task(sweeps.left_by(handle(name))) for name in "bcd"]
    await asyncio.sleep(0)
    assert table.searches == [["a"]], "one at a time"
    table.may_go_on.set()
    found = await asyncio.gather(first, *others)
    assert table.searches == [["a"], ["b", "c", "d"]]
    assert [[each.command for each in left or ()] for left in found] == [["a"], ["b"], ["c"], ["d"]]


async def test_a_later_end_is_searched_for_anew() -> None:
    table = Table()
    table.may_go_on.set()
    sweeps = Sweeps(table.search)
    for name in "ab":
        assert await sweeps.left_by(handle(name))
    assert table.searches == [["a"], ["b"]]


@pytest.mark.parametrize("error", [PermissionError("no /proc"), ValueError("a bug")])
async def test_a_search_that_fails_and_one_that_nobody_waits_for_stop_no_other(
    error: Exception,
) -> None:
    table = Table()
    table.error = error
    sweeps = Sweeps(table.search)
    gone = asyncio.create_task(sweeps.left_by(handle("a")))
    await searching(table, 1)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    waiting = asyncio.create_task(sweeps.left_by(handle("b")))
    table.may_go_on.set()
    assert await waiting is None
    table.error = None
    assert await sweeps.left_by(handle("c"))
