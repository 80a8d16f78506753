"""The one writer: groups pending writes into batches and commits one batch at a time.

There is no timer: the window of a batch is the time that the fsync of the batch before takes. The
next batch starts two turns of the loop after that fsync, so that callers which were just answered
can still add their next write to it. (Otherwise, with one pair of participants, the receiver asks
again too late for the next message, whose lease then needs a second commit: measured, 433 us
instead of 261 us a message.)

After a failed commit all writes are refused at once, until a probe of the writer succeeds.
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

from hive.store.engine import Engine, set_outcome
from hive.store.errors import (
    LASTING,
    StoreClosedError,
    StoreError,
    StoreLogMissingError,
    from_sqlite,
)
from hive.store.health import Health
from hive.store.transaction import Batch, Committed, Op

T = TypeVar("T")

MAX_BATCH = 512
"""Most writes in one transaction, so that no write waits long for others."""

PROBE_SECONDS = 1.0
"""Pause between probes after a failed commit."""


class Write(Protocol):
    """A queued write, whose content is collected when its batch starts.

    Its methods run on the loop's thread: `collect` in the order of the queue, then `committed` or
    `failed` exactly once. An exception from one of them affects no other write: one from `collect`
    is passed to `failed`, the others go to the loop's exception handler.
    """

    def collect(self) -> Op[Any]:
        """Return the write, at the moment when the batch starts.

        It is also called, and then `failed`, while the store is in trouble; not after it is closed.
        """
        ...

    def committed(self, value: Any) -> None:
        """Continue: the write is on disk and has returned `value`."""
        ...

    def failed(self, error: Exception) -> None:
        """Handle the failure: the write is not on disk, or its outcome is unknown."""
        ...


@define(eq=False)
class _SingleWrite:
    """One write with a future; cancelling the future does not cancel the write."""

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

    While it is open, it has one task, which waits for the end. If that task is cancelled, as
    `asyncio.run` does when the program fails, or if the engine raises an error that is neither
    SQLite's nor the store's, every pending write fails with an unknown outcome, and the engine is
    closed: its reading thread would otherwise keep the interpreter alive. During trouble a second
    task probes the disk.
    """

    _engine: Engine
    _path: Path
    _health: Health
    _on_commit: Callable[[], None]
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _queue: deque[Write] = field(factory=deque, init=False)
    _in_flight: list[Write] | None = field(default=None, init=False)
    _scheduled: bool = field(default=False, init=False)
    _closing: bool = field(default=False, init=False)
    _ended: asyncio.Future[None] = field(init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _probe_task: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start to accept writes."""
        self._ended = self._loop.create_future()
        self._task = self._loop.create_task(self._run(), name="store writer")

    def write(self, op: Op[T]) -> asyncio.Future[T]:
        """Queue a write; the future has its value once it is on disk."""
        future: asyncio.Future[T] = self._loop.create_future()
        self.queue(_SingleWrite(op, future))
        return future

    def queue(self, write: Write) -> None:
        """Add a write to the next batch."""
        if self._closing or self._task is None:
            self._loop.call_soon(write.failed, self._closed())
            return
        self._queue.append(write)
        if self._in_flight is None and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._start_batch)

    async def close(self) -> None:
        """Commit all pending writes, then refuse further ones.

        Raises:
            BaseException: The error of the engine, if it was neither SQLite's nor the store's.
        """
        self._closing = True
        if self._task is None:
            return
        self._end_if_idle()
        await asyncio.wait([self._task])
        if self._probe_task is not None:
            self._probe_task.cancel()
            await asyncio.wait([self._probe_task])
        if not self._task.cancelled():
            self._task.result()

    def begin_trouble(self, error: StoreError) -> None:
        """Refuse further writes and start to probe the disk."""
        lasting = isinstance(error, LASTING)
        self._health.fail(error, lasting=lasting)
        if not lasting:
            self._probe_task = self._loop.create_task(self._probe(error), name="store probe")

    def _start_batch(self) -> None:
        """Collect the next batch and pass it to the engine."""
        self._scheduled = False
        writes, ops = self._collect()
        trouble = self._health.trouble
        if not writes:
            self._schedule_next()
        elif trouble is not None:
            self._fail_all(writes, trouble.refusal())
            self._schedule_next()
        else:
            self._in_flight = writes
            batch = Batch(ops)
            self._engine.commit(batch, partial(self._finish_batch, batch))

    def _collect(self) -> tuple[list[Write], list[Op[Any]]]:
        """Take the next writes from the queue and collect them; an error fails that write."""
        writes: list[Write] = []
        ops: list[Op[Any]] = []
        for _ in range(min(len(self._queue), MAX_BATCH)):
            write = self._queue.popleft()
            try:
                ops.append(write.collect())
            except Exception as error:
                self._call(write.failed, error)
            else:
                writes.append(write)
        return writes, ops

    def _finish_batch(self, batch: Batch, error: BaseException | None) -> None:
        """Report its outcome to every write of a batch."""
        writes, self._in_flight = self._in_flight, None
        if writes is None:
            return  # aborted: every write has failed already
        if error is None:
            for write, outcome in zip(writes, batch.outcomes, strict=True):
                if isinstance(outcome, Committed):
                    self._call(write.committed, outcome.value)
                else:
                    self._call(write.failed, outcome.error)
            self._call(self._on_commit)
        elif isinstance(error, sqlite3.Error):
            self._fail_batch(writes, from_sqlite(error, self._path))
        elif isinstance(error, StoreError):
            self._fail_batch(writes, error)
        else:
            self._closing = True
            self._fail_all(writes, self._unknown_outcome())
            set_outcome(self._ended, error)
            return
        self._schedule_next()

    def _schedule_next(self) -> None:
        """Start the next batch in two turns of the loop, if writes are pending."""
        if self._queue and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._loop.call_soon, self._start_batch)
        elif self._closing:
            self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._closing and self._in_flight is None and not self._queue:
            set_outcome(self._ended, None)

    def _fail_batch(self, writes: list[Write], error: StoreError) -> None:
        self.begin_trouble(error)
        self._fail_all(writes, error)

    def _fail_all(self, writes: Iterable[Write], error: StoreError) -> None:
        for write in writes:
            self._call(write.failed, error)

    def _call(self, callback: Callable[..., None], *values: Any) -> None:
        """Call a method of a write; report its exception to the loop."""
        try:
            callback(*values)
        except Exception as error:
            message = "the callback of a write failed"
            self._loop.call_exception_handler({"message": message, "exception": error})

    async def _probe(self, error: StoreError) -> None:
        """Probe until a commit succeeds, or fails with a lasting error."""
        while not isinstance(error, LASTING):
            await asyncio.sleep(PROBE_SECONDS)
            try:
                if isinstance(error, StoreLogMissingError):
                    await self._engine.reopen()
                await self._probe_once()
            except sqlite3.Error as failure:
                error = from_sqlite(failure, self._path)
            except StoreError as failure:
                error = failure
            else:
                self._health.recover()
                return
        self._health.fail(error, lasting=True)

    async def _probe_once(self) -> None:
        finished: asyncio.Future[None] = self._loop.create_future()
        self._engine.commit(Batch([probe]), lambda error: set_outcome(finished, error))
        await finished

    async def _run(self) -> None:
        """Wait for the end; after a cancellation or an error, abort."""
        try:
            await self._ended
        except BaseException:
            await self._abort()
            raise

    async def _abort(self) -> None:
        """Fail every pending write and close the engine."""
        self._closing = True
        if self._probe_task is not None:
            self._probe_task.cancel()
        writes, self._in_flight = [*(self._in_flight or ()), *self._queue], None
        self._queue.clear()
        self._fail_all(writes, self._unknown_outcome())
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
    """Write 64 KiB, as much as the longest ordinary message, to test whether writes succeed.

    Raises:
        sqlite3.Error: The error that a real write would have.
    """
    connection.execute("REPLACE INTO probe (id, filler) VALUES (1, randomblob(65536))")
