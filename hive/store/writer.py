"""The one writer: it commits whatever waits as soon as it is free.

There is no timer. While one batch is on its way to the disk the next one gathers; the time that the
fsync takes is the window. Callers hold plain futures: cancelling one stops nobody's write.

After a commit that failed, writes are refused at once until one of the writer's own has succeeded.
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
from hive.store.errors import (
    LASTING,
    StoreClosedError,
    StoreError,
    StoreLogMissingError,
    from_sqlite,
)
from hive.store.health import Health
from hive.store.unit import Batch, Done, Op, Refused

T = TypeVar("T")

MAX_BATCH = 512
"""Most writes in one transaction, so that nobody waits long for the writes of others."""

PROBE_SECONDS = 1.0
"""Pause between attempts to write again after a commit that failed."""


@define(eq=False)
class _Waiting:
    collect: Callable[[], Op[Any]]
    future: asyncio.Future[Any]


@define(eq=False)
class Writer:
    """Groups writes into batches and gives each batch to the engine.

    It has one task while it is open. If that task is cancelled, as `asyncio.run` does when the
    program fails, it closes the engine: its threads would otherwise keep the interpreter alive.
    While there is trouble it has a second one, which tries the disk.
    """

    _engine: Engine
    _path: Path
    _health: Health
    _committed: Callable[[], None]
    _waiting: deque[_Waiting] = field(factory=deque, init=False)
    _wake: asyncio.Event = field(factory=asyncio.Event, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _probing: asyncio.Task[None] | None = field(default=None, init=False)
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
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])

    async def _run(self) -> None:
        try:
            while await self._has_work():
                taken = self._take()
                if self._health.trouble is None:
                    await self._commit(taken)
                else:
                    _refuse(taken, self._health.trouble.refusal())
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
            self._give_up(taken, from_sqlite(error, self._path))
        except StoreError as error:
            self._give_up(taken, error)
        except BaseException:
            _fail(taken, self._unknown_outcome())
            raise
        else:
            for waiting, outcome in zip(taken, batch.outcomes, strict=True):
                _settle(waiting.future, outcome)
            self._committed()

    def suffer(self, error: StoreError) -> None:
        """Refuse what comes, and begin to try the disk."""
        lasting = isinstance(error, LASTING)
        self._health.fail(error, lasting=lasting)
        if not lasting:
            self._probing = asyncio.get_running_loop().create_task(
                self._probe(error), name="store probe"
            )

    def _give_up(self, taken: list[_Waiting], error: StoreError) -> None:
        self.suffer(error)
        _fail(taken, error)

    async def _probe(self, error: StoreError) -> None:
        """Try until a commit succeeds, or fails for good."""
        while not isinstance(error, LASTING):
            await asyncio.sleep(PROBE_SECONDS)
            try:
                if isinstance(error, StoreLogMissingError):
                    await self._engine.reopen()
                await self._engine.commit(Batch([probe]))
            except sqlite3.Error as failure:
                error = from_sqlite(failure, self._path)
            except StoreError as failure:
                error = failure
            else:
                self._health.recover()
                return
        self._health.fail(error, lasting=True)

    async def _abandon(self) -> None:
        self._closing = True
        if self._probing is not None:
            self._probing.cancel()
        _fail(self._waiting, self._unknown_outcome())
        self._waiting.clear()
        await self._engine.close()

    def _unknown_outcome(self) -> StoreError:
        return StoreClosedError(
            f"the store {self._path} was closed while this waited for the disk; "
            "it may or may not have happened, so look before repeating it"
        )


def probe(connection: sqlite3.Connection) -> None:
    """Write something for the sake of writing: as much as the longest ordinary message.

    Raises:
        sqlite3.Error: What a real write would meet.
    """
    connection.execute("REPLACE INTO probe (id, filler) VALUES (1, randomblob(65536))")


def _refuse(taken: list[_Waiting], error: StoreError) -> None:
    """Turn writes away, once they are made: whoever makes them counts on being asked."""
    for waiting in taken:
        waiting.collect()
    _fail(taken, error)


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
