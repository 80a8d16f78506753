"""The one writer: it commits whatever waits as soon as it is free.

There is no timer. While one batch is on its way to the disk the next one gathers; the time that the
fsync takes is the window. The next batch is formed two turns of the loop after that: those who were
just answered can then ask for more in time to be in it. (With one pair of participants the next
message would else miss its receiver, and need a second commit for its lease: measured, 433 us in
place of 261 us a message.)

After a commit that failed, writes are refused at once until one of the writer's own has succeeded.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from attrs import define, field

from hive.store.engine import Engine, settle
from hive.store.errors import (
    LASTING,
    StoreClosedError,
    StoreError,
    StoreLogMissingError,
    from_sqlite,
)
from hive.store.health import Health
from hive.store.unit import Batch, Op, Succeeded

T = TypeVar("T")

MAX_BATCH = 512
"""Most writes in one transaction, so that nobody waits long for the writes of others."""

PROBE_SECONDS = 1.0
"""Pause between attempts to write again after a commit that failed."""


class Write(Protocol):
    """Something that takes part in a commit.

    It is asked what is written, in its turn among those that were queued, and then told once what
    became of that, all on the loop's thread. An exception from one of these steps harms no other
    write: what `collect` raises is what `failed` is told, and the rest goes to the loop's exception
    handler.
    """

    def collect(self) -> Op[Any]:
        """Return what is written, at the moment when the batch is formed.

        While the store takes no writes it is asked all the same, and then told of the failure.
        Only once the store is closed it is not asked any more.
        """
        ...

    def committed(self, value: Any) -> None:
        """Go on: it is on disk. `value` is what the write returned."""
        ...

    def failed(self, error: Exception) -> None:
        """Give up: it is not on disk, or nobody knows."""
        ...


@define(eq=False)
class _Single:
    """One write for whoever holds its future; cancelling that stops nobody's write."""

    op: Op[Any]
    future: asyncio.Future[Any]

    def collect(self) -> Op[Any]:
        return self.op

    def committed(self, value: Any) -> None:
        if not self.future.done():
            self.future.set_result(value)

    def failed(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@define(eq=False)
class Writer:
    """Groups writes into batches and gives each batch to the engine.

    It has one task while it is open, which waits for the end. If that task is cancelled, as
    `asyncio.run` does when the program fails, or if the engine fails in a way that is neither
    SQLite's nor the store's, then everyone who waits is told that nobody knows, and the engine is
    closed: its reading thread would otherwise keep the interpreter alive. While there is trouble
    there is a second task, which tries the disk.
    """

    _engine: Engine
    _path: Path
    _health: Health
    _committed: Callable[[], None]
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _waiting: deque[Write] = field(factory=deque, init=False)
    _flying: list[Write] | None = field(default=None, init=False)
    _planned: bool = field(default=False, init=False)
    _closing: bool = field(default=False, init=False)
    _over: asyncio.Future[None] = field(init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _probing: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to take writes."""
        self._over = self._loop.create_future()
        self._task = self._loop.create_task(self._stay(), name="store writer")

    def write(self, op: Op[T]) -> asyncio.Future[T]:
        """Queue a write; the future has its value once it is on disk."""
        future: asyncio.Future[T] = self._loop.create_future()
        self.queue(_Single(op, future))
        return future

    def queue(self, write: Write) -> None:
        """Let a write take part in the next batch."""
        if self._closing or self._task is None:
            self._loop.call_soon(write.failed, self._closed())
            return
        self._waiting.append(write)
        if self._flying is None and not self._planned:
            self._planned = True
            self._loop.call_soon(self._begin)

    async def close(self) -> None:
        """Commit everything that waits, then take nothing more.

        Raises:
            BaseException: What the engine failed with, when it was neither SQLite's nor the
                store's.
        """
        self._closing = True
        if self._task is None:
            return
        self._end_if_idle()
        await asyncio.wait([self._task])
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        if not self._task.cancelled():
            self._task.result()

    def suffer(self, error: StoreError) -> None:
        """Refuse what comes, and begin to try the disk."""
        lasting = isinstance(error, LASTING)
        self._health.fail(error, lasting=lasting)
        if not lasting:
            self._probing = self._loop.create_task(self._probe(error), name="store probe")

    def _begin(self) -> None:
        """Form the next batch and give it to the engine."""
        self._planned = False
        taken, ops = self._collect()
        trouble = self._health.trouble
        if not taken:
            self._go_on()
        elif trouble is not None:
            self._fail(taken, trouble.refusal())
            self._go_on()
        else:
            self._flying = taken
            batch = Batch(ops)
            self._engine.commit(batch, partial(self._end, batch))

    def _collect(self) -> tuple[list[Write], list[Op[Any]]]:
        """Take the next writes, and what they write; one that cannot say that fails at once."""
        taken: list[Write] = []
        ops: list[Op[Any]] = []
        for _ in range(min(len(self._waiting), MAX_BATCH)):
            write = self._waiting.popleft()
            try:
                ops.append(write.collect())
            except Exception as error:
                self._guarded(write.failed, error)
            else:
                taken.append(write)
        return taken, ops

    def _end(self, batch: Batch, error: BaseException | None) -> None:
        """Tell everyone in a batch what became of it."""
        taken, self._flying = self._flying, None
        if taken is None:
            return  # abandoned: everyone was told
        if error is None:
            for write, outcome in zip(taken, batch.outcomes, strict=True):
                if isinstance(outcome, Succeeded):
                    self._guarded(write.committed, outcome.value)
                else:
                    self._guarded(write.failed, outcome.error)
            self._guarded(self._committed)
        elif isinstance(error, sqlite3.Error):
            self._give_up(taken, from_sqlite(error, self._path))
        elif isinstance(error, StoreError):
            self._give_up(taken, error)
        else:
            self._closing = True
            self._fail(taken, self._unknown_outcome())
            settle(self._over, error)
            return
        self._go_on()

    def _go_on(self) -> None:
        """Plan the next batch if something waits for it: two turns of the loop from now."""
        if self._waiting and not self._planned:
            self._planned = True
            self._loop.call_soon(self._loop.call_soon, self._begin)
        elif self._closing:
            self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._closing and self._flying is None and not self._waiting:
            settle(self._over, None)

    def _give_up(self, taken: list[Write], error: StoreError) -> None:
        self.suffer(error)
        self._fail(taken, error)

    def _fail(self, taken: Iterable[Write], error: StoreError) -> None:
        for write in taken:
            self._guarded(write.failed, error)

    def _guarded(self, step: Callable[..., None], *values: Any) -> None:
        """Take a step of a write; if that fails, report it and go on with the others."""
        try:
            step(*values)
        except Exception as error:
            message = "who had written something failed when told what became of it"
            self._loop.call_exception_handler({"message": message, "exception": error})

    async def _probe(self, error: StoreError) -> None:
        """Try until a commit succeeds, or fails for good."""
        while not isinstance(error, LASTING):
            await asyncio.sleep(PROBE_SECONDS)
            try:
                if isinstance(error, StoreLogMissingError):
                    await self._engine.reopen()
                await self._try_to_write()
            except sqlite3.Error as failure:
                error = from_sqlite(failure, self._path)
            except StoreError as failure:
                error = failure
            else:
                self._health.recover()
                return
        self._health.fail(error, lasting=True)

    async def _try_to_write(self) -> None:
        over: asyncio.Future[None] = self._loop.create_future()
        self._engine.commit(Batch([probe]), lambda error: settle(over, error))
        await over

    async def _stay(self) -> None:
        """Wait for the end; if it comes before its time, leave nobody waiting and no thread."""
        try:
            await self._over
        except BaseException:
            await self._abandon()
            raise

    async def _abandon(self) -> None:
        self._closing = True
        if self._probing is not None:
            self._probing.cancel()
        taken, self._flying = [*(self._flying or ()), *self._waiting], None
        self._waiting.clear()
        self._fail(taken, self._unknown_outcome())
        self._health.close(self._closed())
        await self._engine.close()

    def _closed(self) -> StoreClosedError:
        return StoreClosedError(f"the store {self._path} is closed")

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
