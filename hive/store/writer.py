"""The one writer: it commits whatever waits as soon as it is free.

There is no timer. While one batch is on its way to the disk the next one gathers; the time that the
fsync takes is the window. Callers hold plain futures: cancelling one stops nobody's write.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field

from hive.store.engine import Engine
from hive.store.errors import StoreClosedError, StoreError, from_sqlite
from hive.store.unit import Batch, Done, Op, Refused

T = TypeVar("T")

MAX_BATCH = 512
"""Most writes in one transaction, so that nobody waits long for the writes of others."""


@define(eq=False)
class _Waiting:
    collect: Callable[[], Op[Any]]
    future: asyncio.Future[Any]


@define(eq=False)
class Writer:
    """Groups writes into batches and gives each batch to the engine.

    It has one task while it is open. If that task is cancelled, as `asyncio.run` does when the
    program fails, it closes the engine: its threads would otherwise keep the interpreter alive.
    """

    _engine: Engine
    _path: Path
    _waiting: deque[_Waiting] = field(factory=deque, init=False)
    _wake: asyncio.Event = field(factory=asyncio.Event, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _closing: bool = field(default=False, init=False)

    def start(self) -> None:
        """Begin to take writes."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="store writer")

    def write(self, collect: Callable[[], Op[T]]) -> asyncio.Future[T]:
        """Queue a write; `collect` makes it at the moment its batch is formed."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closing or self._task is None:
            future.set_exception(StoreClosedError(f"the store {self._path} is closed"))
        else:
            self._waiting.append(_Waiting(collect, future))
            self._wake.set()
        return future

    async def close(self) -> None:
        """Commit everything that waits, then take nothing more."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            while await self._has_work():
                await self._commit(self._take())
        except BaseException:
            await self._abandon()
            raise

    async def _has_work(self) -> bool:
        while not self._waiting:
            if self._closing:
                return False
            self._wake.clear()
            await self._wake.wait()
        return True

    def _take(self) -> list[_Waiting]:
        count = min(len(self._waiting), MAX_BATCH)
        return [self._waiting.popleft() for _ in range(count)]

    async def _commit(self, taken: list[_Waiting]) -> None:
        try:
            batch = Batch([waiting.collect() for waiting in taken])
            await self._engine.commit(batch)
        except sqlite3.Error as error:
            _fail(taken, from_sqlite(error, self._path))
        except BaseException:
            _fail(taken, self._unknown_outcome())
            raise
        else:
            for waiting, outcome in zip(taken, batch.outcomes, strict=True):
                _settle(waiting.future, outcome)

    async def _abandon(self) -> None:
        self._closing = True
        _fail(self._waiting, self._unknown_outcome())
        self._waiting.clear()
        await self._engine.close()

    def _unknown_outcome(self) -> StoreError:
        return StoreClosedError(
            f"the store {self._path} was closed while this waited for the disk; "
            "it may or may not have happened, so look before repeating it"
        )


def _settle(future: asyncio.Future[Any], outcome: Done | Refused) -> None:
    if future.done():
        return
    if isinstance(outcome, Done):
        future.set_result(outcome.value)
    else:
        future.set_exception(outcome.error)


def _fail(taken: Iterable[_Waiting], error: StoreError) -> None:
    for waiting in taken:
        if not waiting.future.done():
            waiting.future.set_exception(error)
