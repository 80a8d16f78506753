"""Where SQLite runs: on threads of its own, or on the loop's thread.

`ThreadEngine` is what daemons use: an fsync may take tens of milliseconds, and nothing of that may
hold up the loop. Reads run on the thread of an aiosqlite connection, each as one function: the
public way to that is `factory=`, a connection class whose `commit()` applies the unit that is
staged. Commits have a thread of their own, `CommitThread`, because there is one for every few
messages. Measured against commits through aiosqlite, in five interleaved runs of a pair of
participants: without future, task and coroutine between the writer and its thread a message takes
0.8 of the processor's time, and 0.9 of the time until it is there.

`InlineEngine` is for simulations and crash tests: the same units without threads, so that a run is
repeated exactly, and with a connection class of the test's choice.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Protocol, TypeVar

import aiosqlite
from attrs import define, field, frozen

from hive.store.connection import (
    BUSY_SECONDS,
    StoreLock,
    make_durable,
    make_lone_reader,
    make_reader,
    prepare,
    require_room,
)
from hive.store.errors import StoreLogMissingError
from hive.store.file_identity import Files
from hive.store.schema import require_current
from hive.store.unit import Batch, Query, Read, Unit

T = TypeVar("T")

Done = Callable[[BaseException | None], object]
"""Is told on the loop's thread that a unit is over: with None if it succeeded."""

STATEMENTS = 256
"""Compiled statements that the writer's connection keeps; there are about fifty on its path."""


class Engine(Protocol):
    """Runs batches and reads. Errors are SQLite's own, or `StoreError`s from `open`."""

    async def open(self, path: Path) -> None:
        """Take the one writer's lock, bring the file up to date, connect."""
        ...

    async def open_to_read(self, path: Path) -> None:
        """Connect for reading alone, after `open` found no room on the disk; keeps the lock.

        `reopen` connects for writing once there is room.
        """
        ...

    def commit(self, batch: Batch, done: Done) -> None:
        """Apply a batch; when `done` is told None it is on disk, under the store's own name.

        `done` is called from the loop, never within this call.
        """
        ...

    async def read(self, query: Query[T]) -> T:
        """Run a query on a connection that cannot write."""
        ...

    async def reopen(self) -> None:
        """Connect anew, so that a log that was deleted is whole again; nothing in it is lost."""
        ...

    async def close(self) -> None:
        """Finish what is under way, disconnect, let the lock go. Does nothing the second time."""
        ...


@define(eq=False)
class CommitThread:
    """A thread with a connection that runs one unit after the other.

    It is a daemon thread: a program that fails without closing its store must be able to end.
    """

    _connection: sqlite3.Connection
    _files: Files
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _units: SimpleQueue[tuple[Unit, Done, bool] | None] = field(factory=SimpleQueue, init=False)
    _thread: Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = Thread(target=self._work, name="store commits", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path) -> CommitThread:
        """Connect for writing and start the thread."""
        connection, files = await asyncio.to_thread(_connect_to_write, path)
        return cls(connection, files)

    def run(self, unit: Unit, done: Done) -> None:
        """Run a unit after those before it; its outcome counts only if the files are in place."""
        self._units.put((unit, done, True))

    async def run_alone(self, unit: Unit) -> None:
        """Run a unit and wait for it."""
        over: asyncio.Future[None] = self._loop.create_future()
        self._units.put((unit, lambda error: settle(over, error), False))
        await over

    async def close(self) -> None:
        """Finish what is under way and disconnect."""
        self._units.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while self._work_once():
            pass
        self._connection.close()

    def _work_once(self) -> bool:
        """Wait for a unit, run it, tell its outcome; return whether there may be another one.

        It is a function of its own so that the last unit is let go while the next is waited for.
        """
        item = self._units.get()
        if item is None:
            return False
        unit, done, counts_in_place_only = item
        error: BaseException | None = None
        try:
            unit.run(self._connection)
            if counts_in_place_only:
                self._files.check()
        except BaseException as failure:
            error = failure
        try:
            self._loop.call_soon_threadsafe(done, error)
        except RuntimeError:  # the loop was closed: nobody is left to be told
            return False
        return True


def _connect_to_write(path: Path) -> tuple[sqlite3.Connection, Files]:
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS,
    )
    try:
        make_durable(connection)
        return connection, Files.of(path)
    except BaseException:
        connection.close()
        raise


def settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    """Let a future be done as a unit is, unless nobody waits for it any more."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


@define(eq=False)
class _Reader:
    """An aiosqlite connection that runs staged units as one function on its thread."""

    path: Path
    configure: Callable[[sqlite3.Connection], None]
    _staged: deque[Unit] = field(factory=deque, init=False)
    _proxy: aiosqlite.Connection | None = field(default=None, init=False)

    async def open(self) -> None:
        staged, configure = self._staged, self.configure

        class UnitConnection(sqlite3.Connection):
            def commit(self) -> None:
                staged.popleft().run(self)

        def factory(*args: object, **options: object) -> sqlite3.Connection:
            connection = UnitConnection(*args, **options)  # type: ignore[arg-type]
            try:
                configure(connection)
            except BaseException:
                connection.close()  # or its locks would last as long as the error is kept
                raise
            return connection

        self._proxy = await aiosqlite.connect(
            self.path, factory=factory, timeout=BUSY_SECONDS, isolation_level=None
        )

    async def run(self, unit: Unit) -> None:
        assert self._proxy is not None
        self._staged.append(unit)
        await self._proxy.commit()

    async def close(self) -> None:
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            await proxy.close()


@define(eq=False)
class ThreadEngine:
    """One thread for the writer, one for reads: reads neither wait for a commit nor delay one."""

    _lock: StoreLock | None = field(default=None, init=False)
    _writer: CommitThread | None = field(default=None, init=False)
    _reader: _Reader | None = field(default=None, init=False)
    _leaving: list[_Reader | CommitThread] = field(factory=list, init=False)
    _path: Path | None = field(default=None, init=False)

    async def open(self, path: Path) -> None:
        """Take the one writer's lock, bring the file up to date, connect."""
        self._path = path
        lock = self._lock = StoreLock(path)
        await asyncio.to_thread(lock.acquire)
        await asyncio.to_thread(prepare, path)
        await self._connect(path)

    async def open_to_read(self, path: Path) -> None:
        """Connect for reading alone."""
        await self._disconnect()
        reader = self._reader = _Reader(path, make_lone_reader)
        await reader.open()

    def commit(self, batch: Batch, done: Done) -> None:
        """Apply a batch; when `done` is told None it is on disk, under the store's own name.

        `done` is told `StoreMovedError` when the file was deleted or replaced, and
        `StoreLogMissingError` when the same happened to its log.
        """
        if self._writer is None:
            asyncio.get_running_loop().call_soon(done, _between())
        else:
            self._writer.run(batch, done)

    async def read(self, query: Query[T]) -> T:
        """Run a query on the reading connection."""
        if self._reader is None:
            raise _between()
        unit = Read(query)
        await self._reader.run(unit)
        return unit.values[0]

    async def reopen(self) -> None:
        """Put what is in the log into the database, disconnect, connect."""
        assert self._path is not None
        if self._writer is not None:
            await self._writer.run_alone(_Checkpoint())
        else:
            await asyncio.to_thread(require_room, self._path)
        await self._disconnect()
        try:
            await self._connect(self._path)
        except sqlite3.Error:
            await self.open_to_read(self._path)
            raise

    async def close(self) -> None:
        """Finish what is under way, disconnect, let the lock go."""
        await self._disconnect()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    async def _connect(self, path: Path) -> None:
        self._writer = await CommitThread.open(path)
        reader = self._reader = _Reader(path, make_reader)
        await reader.open()

    async def _disconnect(self) -> None:
        self._leaving += [each for each in (self._reader, self._writer) if each is not None]
        self._reader = self._writer = None
        while self._leaving:  # who is cancelled here leaves the rest to the next call
            await self._leaving[0].close()
            del self._leaving[0]


@frozen
class _Checkpoint:
    """Everything in the log becomes part of the database, whatever became of the log's name."""

    def run(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _between() -> StoreLogMissingError:
    return StoreLogMissingError("the store is just being opened again; try again")


@define(eq=False)
class InlineEngine:
    """Everything on the loop's thread, for simulations and crash tests.

    Args:
        connect: The class of the connections, so that a test can make a statement fail.
    """

    connect: type[sqlite3.Connection] = sqlite3.Connection
    _lock: StoreLock | None = field(default=None, init=False)
    _connection: sqlite3.Connection | None = field(default=None, init=False)

    async def open(self, path: Path) -> None:
        """Take the one writer's lock, bring the file up to date, connect."""
        lock = self._lock = StoreLock(path)
        lock.acquire()
        prepare(path, self.connect)
        self._connection = self.connect(path, timeout=0, isolation_level=None)
        make_durable(self._connection)

    async def open_to_read(self, path: Path) -> None:
        """Connect; it is the disk that refuses writes."""
        self._connection = self.connect(path, timeout=0, isolation_level=None)
        require_current(self._connection)

    def commit(self, batch: Batch, done: Done) -> None:
        """Apply a batch at once, and tell its outcome in the next turn of the loop."""
        assert self._connection is not None
        error: BaseException | None = None
        try:
            batch.run(self._connection)
        except BaseException as failure:
            error = failure
        asyncio.get_running_loop().call_soon(done, error)

    async def read(self, query: Query[T]) -> T:
        """Run a query."""
        assert self._connection is not None
        unit = Read(query)
        unit.run(self._connection)
        return unit.values[0]

    async def reopen(self) -> None:
        """Do nothing: nobody deletes the files of a simulation."""

    async def close(self) -> None:
        """Disconnect and let the lock go."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
