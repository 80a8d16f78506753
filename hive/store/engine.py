"""Engines: run SQLite on threads of its own, or on the loop's thread.

Daemons use `ThreadEngine`: an fsync may take tens of milliseconds and must not block the loop.
Reads run on the thread of an aiosqlite connection, each as one function. aiosqlite's public way to
do that is `factory=`: a connection class whose `commit()` runs the staged work. Commits have their
own thread, `CommitThread`, because there is one for every few messages. Measured against commits
through aiosqlite, in five interleaved runs of a pair of participants: without future, task and
coroutine between the writer and its thread, a message takes 0.8 of the CPU time and 0.9 of the
latency.

Simulations and crash tests use `InlineEngine`: the same work without threads, so that a run is
reproducible, with a connection class of the test's choice.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Protocol, TypeVar

import aiosqlite
from attrs import define, field, frozen

from hive.histogram import Histogram
from hive.store.database import (
    BUSY_SECONDS,
    OpenFiles,
    StoreLock,
    make_durable,
    make_exclusive_reader,
    make_reader,
    prepare,
    require_free_space,
)
from hive.store.errors import StoreLogMissingError
from hive.store.schema import require_current
from hive.store.transaction import Batch, Query, Read, Work

T = TypeVar("T")

DoneCallback = Callable[[BaseException | None], object]
"""Called on the loop's thread when work is done: with its error, or None if it succeeded."""

CACHED_STATEMENTS = 256
"""Size of the writer's cache of compiled statements; it uses about fifty."""


COMMIT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Bounds of the histogram of commits, in seconds."""


class Engine(Protocol):
    """Runs batches and reads. Errors are those of SQLite; from `open` also `StoreError`s."""

    @property
    def commit_seconds(self) -> Histogram:
        """Seconds that each commit took, failed ones included."""
        ...

    async def open(self, path: Path) -> None:
        """Acquire the lock of the one writer, migrate the file, connect."""
        ...

    async def open_read_only(self, path: Path) -> None:
        """Connect for reads only, after `open` found the disk full; keep the lock.

        `reopen` connects for writing once space is free.
        """
        ...

    def commit(self, batch: Batch, done: DoneCallback) -> None:
        """Commit a batch; when `done` is called with None, it is on disk in the store's file.

        `done` is called by the loop, never within this call.
        """
        ...

    async def read(self, query: Query[T]) -> T:
        """Run a query on a connection that cannot write."""
        ...

    async def free_bytes(self) -> int:
        """Return the bytes that this user may still write on the file system of the store."""
        ...

    async def reopen(self) -> None:
        """Reconnect to replace a deleted write-ahead log; its content is saved first."""
        ...

    async def close(self) -> None:
        """Finish pending work, disconnect, release the lock. Idempotent."""
        ...


@define(eq=False)
class CommitThread:
    """A thread with a connection that runs queued work in order.

    It is a daemon thread: a program that fails without closing its store must be able to exit.
    """

    _connection: sqlite3.Connection
    _files: OpenFiles
    _seconds: Histogram
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _queue: SimpleQueue[tuple[Work, DoneCallback, bool] | None] = field(
        factory=SimpleQueue, init=False
    )
    _thread: Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = Thread(target=self._run, name="store commits", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, seconds: Histogram) -> CommitThread:
        """Connect for writing and start the thread, which adds the time of each work."""
        connection, files = await asyncio.to_thread(_connect_to_write, path)
        return cls(connection, files, seconds)

    def run(self, work: Work, done: DoneCallback) -> None:
        """Queue work; it succeeds only if the open files are still in place afterwards."""
        self._queue.put((work, done, True))

    async def run_and_wait(self, work: Work) -> None:
        """Run work without that check, and wait for it."""
        finished: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((work, lambda error: set_outcome(finished, error), False))
        await finished

    async def close(self) -> None:
        """Finish the queued work and disconnect."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while self._run_next():
            pass
        self._connection.close()

    def _run_next(self) -> bool:
        """Wait for the next work, run it, report its outcome; return False at the end.

        Being a function of its own, it holds no reference to the last work while it waits.
        """
        item = self._queue.get()
        if item is None:
            return False
        work, done, checks_files = item
        error: BaseException | None = None
        began = perf_counter()
        try:
            work.run(self._connection)
            if checks_files:
                self._files.check()
        except BaseException as failure:
            error = failure
        self._seconds.observe(perf_counter() - began)
        try:
            self._loop.call_soon_threadsafe(done, error)
        except RuntimeError:  # the loop is closed
            return False
        return True


def _connect_to_write(path: Path) -> tuple[sqlite3.Connection, OpenFiles]:
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
    )
    try:
        make_durable(connection)
        return connection, OpenFiles.of(path)
    except BaseException:
        connection.close()
        raise


def set_outcome(future: asyncio.Future[None], error: BaseException | None) -> None:
    """Complete a future with an error, or None for success, unless it is done already."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


@define(eq=False)
class _Reader:
    """An aiosqlite connection that runs each staged work as one function on its thread."""

    path: Path
    configure: Callable[[sqlite3.Connection], None]
    _staged: deque[Work] = field(factory=deque, init=False)
    _proxy: aiosqlite.Connection | None = field(default=None, init=False)

    async def open(self) -> None:
        staged, configure = self._staged, self.configure

        class WorkConnection(sqlite3.Connection):
            def commit(self) -> None:
                staged.popleft().run(self)

        def factory(*args: object, **options: object) -> sqlite3.Connection:
            connection = WorkConnection(*args, **options)  # type: ignore[arg-type]
            try:
                configure(connection)
            except BaseException:
                connection.close()  # or its locks would live as long as the exception
                raise
            return connection

        self._proxy = await aiosqlite.connect(
            self.path, factory=factory, timeout=BUSY_SECONDS, isolation_level=None
        )

    async def run(self, work: Work) -> None:
        assert self._proxy is not None
        self._staged.append(work)
        await self._proxy.commit()

    async def close(self) -> None:
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            await proxy.close()


@define(eq=False)
class ThreadEngine:
    """One thread for writes and one for reads: reads neither wait for a commit nor delay one."""

    commit_seconds: Histogram = field(factory=lambda: Histogram(COMMIT_BOUNDS), init=False)
    _lock: StoreLock | None = field(default=None, init=False)
    _writer: CommitThread | None = field(default=None, init=False)
    _reader: _Reader | None = field(default=None, init=False)
    _closing: list[_Reader | CommitThread] = field(factory=list, init=False)
    _path: Path | None = field(default=None, init=False)

    async def open(self, path: Path) -> None:
        """Acquire the lock of the one writer, migrate the file, connect."""
        self._path = path
        lock = self._lock = StoreLock(path)
        await asyncio.to_thread(lock.acquire)
        await asyncio.to_thread(prepare, path)
        await self._connect(path)

    async def open_read_only(self, path: Path) -> None:
        """Connect for reads only."""
        await self._disconnect()
        await self._open_reader(_Reader(path, make_exclusive_reader))

    def commit(self, batch: Batch, done: DoneCallback) -> None:
        """Commit a batch; when `done` is called with None, it is on disk in the store's file.

        The error is `StoreMovedError` if the file was deleted or replaced, `StoreLogMissingError`
        if its write-ahead log was.
        """
        if self._writer is None:
            asyncio.get_running_loop().call_soon(done, _reopening())
        else:
            self._writer.run(batch, done)

    async def read(self, query: Query[T]) -> T:
        """Run a query on the reading connection."""
        if self._reader is None:
            raise _reopening()
        work = Read(query)
        await self._reader.run(work)
        return work.values[0]

    async def free_bytes(self) -> int:
        """Return the free bytes of the file system, read on a thread."""
        assert self._path is not None
        found = await asyncio.to_thread(os.statvfs, self._path.parent)
        return found.f_bavail * found.f_frsize

    async def reopen(self) -> None:
        """Checkpoint the write-ahead log, disconnect, connect."""
        assert self._path is not None
        if self._writer is not None:
            await self._writer.run_and_wait(_Checkpoint())
        else:
            await asyncio.to_thread(require_free_space, self._path)
        await self._disconnect()
        try:
            await self._connect(self._path)
        except sqlite3.Error:
            await self.open_read_only(self._path)
            raise

    async def close(self) -> None:
        """Finish pending work, disconnect, release the lock."""
        await self._disconnect()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    async def _connect(self, path: Path) -> None:
        self._writer = await CommitThread.open(path, self.commit_seconds)
        await self._open_reader(_Reader(path, make_reader))

    async def _open_reader(self, reader: _Reader) -> None:
        """Open a reader and use it; until it is open, reads fail as while none is there."""
        await reader.open()
        self._reader = reader

    async def _disconnect(self) -> None:
        self._closing += [each for each in (self._reader, self._writer) if each is not None]
        self._reader = self._writer = None
        while self._closing:  # after a cancellation the next call closes the rest
            await self._closing[0].close()
            del self._closing[0]


@frozen
class _Checkpoint:
    """Copies the whole open log into the database, even if the log was unlinked."""

    def run(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _reopening() -> StoreLogMissingError:
    return StoreLogMissingError("the store is just being opened again; try again")


@define(eq=False)
class InlineEngine:
    """Runs everything on the loop's thread, for simulations and crash tests.

    Args:
        connect: The connection class; a test can pass one whose statements fail.
        free: The free bytes of the file system, as a test sets them.
    """

    connect: type[sqlite3.Connection] = sqlite3.Connection
    free: int = 1 << 50
    commit_seconds: Histogram = field(factory=lambda: Histogram(COMMIT_BOUNDS), init=False)
    _lock: StoreLock | None = field(default=None, init=False)
    _connection: sqlite3.Connection | None = field(default=None, init=False)

    async def open(self, path: Path) -> None:
        """Acquire the lock of the one writer, migrate the file, connect."""
        lock = self._lock = StoreLock(path)
        lock.acquire()
        prepare(path, self.connect)
        self._connection = self.connect(path, timeout=0, isolation_level=None)
        make_durable(self._connection)

    async def open_read_only(self, path: Path) -> None:
        """Connect; writes fail on the full disk itself."""
        self._connection = self.connect(path, timeout=0, isolation_level=None)
        require_current(self._connection)

    def commit(self, batch: Batch, done: DoneCallback) -> None:
        """Commit a batch at once; call `done` in the next turn of the loop."""
        assert self._connection is not None
        error: BaseException | None = None
        try:
            batch.run(self._connection)
        except BaseException as failure:
            error = failure
        self.commit_seconds.observe(0.0)  # no time passes in a simulation
        asyncio.get_running_loop().call_soon(done, error)

    async def read(self, query: Query[T]) -> T:
        """Run a query."""
        assert self._connection is not None
        work = Read(query)
        work.run(self._connection)
        return work.values[0]

    async def free_bytes(self) -> int:
        """Return what the test has set."""
        return self.free

    async def reopen(self) -> None:
        """Do nothing: a simulation does not delete its files."""

    async def close(self) -> None:
        """Disconnect and release the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
