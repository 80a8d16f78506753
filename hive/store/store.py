"""The store: the public interface of the SQLite file and its one writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hive.clock import Clock, SystemClock
from hive.histogram import Histogram
from hive.store import events, participants
from hive.store.engine import Engine, ThreadEngine
from hive.store.errors import StoreClosedError, StoreError, StoreFullError, from_sqlite
from hive.store.health import Health
from hive.store.records import EventRecord, ParticipantRecord
from hive.store.transaction import Op, Query
from hive.store.writer import Write, Writer
from hive.subscribers import Subscribers

T = TypeVar("T")


class Store:
    """Durable state of one hive.

    The future of a write is done once the write is on disk (fsync). Cancelling the future does not
    cancel the write. If the outcome of a write is unknown, its future fails with a `StoreError`,
    which is an `UnavailableError`.

    Args:
        path: The SQLite file; its directory must exist.
        engine: The threads on which SQLite runs.
        clock: Wall time of events.

    Attributes:
        health: Whether writes are accepted; reads are served in either case.
    """

    def __init__(
        self, path: Path, engine: Engine | None = None, *, clock: Clock | None = None
    ) -> None:
        self.path = path
        self._engine: Engine = engine or ThreadEngine()
        self._clock: Clock = clock or SystemClock()
        self.health = Health(self._clock)
        self._writer: Writer | None = None
        self._commits: Subscribers[[]] = Subscribers("commits")
        self._is_open = False

    def __repr__(self) -> str:
        return f"<Store {self.path} {'open' if self._is_open else 'closed'}>"

    async def __aenter__(self) -> Store:
        await self.open()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open or create the file, check that commits are durable, migrate the tables.

        If the disk is full and the tables need no migration, the store opens for reads only; it is
        in trouble until space is free.

        Raises:
            StoreError: The file cannot be opened; subclass and sentence say why.
        """
        try:
            failure = await self._open_engine()
        except BaseException:
            await self._engine.close()
            raise
        self._writer = Writer(self._engine, self.path, self.health, self._committed)
        self._writer.start()
        self.health.open()
        if failure is None:
            self.health.recover()
        else:
            self._writer.begin_trouble(failure)
        self._is_open = True

    async def _open_engine(self) -> StoreFullError | None:
        """Open the engine; return None, or the error because of which it is read-only."""
        try:
            await self._engine.open(self.path)
        except sqlite3.Error as error:
            failure = from_sqlite(error, self.path)
            if not isinstance(failure, StoreFullError):
                raise failure from error
        else:
            return None
        try:
            await self._engine.open_read_only(self.path)
        except (sqlite3.Error, StoreError):
            raise failure from None
        return failure

    async def close(self) -> None:
        """Commit all pending writes and close the file. Idempotent."""
        self._is_open = False
        if self._writer is not None:
            await self._writer.close()
        self.health.close(self._closed())
        await self._engine.close()

    def write(self, op: Op[T]) -> asyncio.Future[T]:
        """Apply a write in the next batch; the future has its value once it is on disk.

        An error that the write itself raises rolls back this write alone and becomes the future's.
        """
        if self._writer is None:
            raise self._closed()
        return self._writer.write(op)

    def queue(self, write: Write) -> None:
        """Add a write to the next batch, whose content is collected when the writer is free.

        Until then, that is while the batch before it is committed, the write can still grow.
        """
        if self._writer is None:
            raise self._closed()
        self._writer.queue(write)

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each commit; return the function that unsubscribes it."""
        return self._commits.add(listener)

    async def read(self, query: Query[T]) -> T:
        """Run a read; it sees what was committed before it began, and waits for no write.

        Raises:
            StoreError: When SQLite cannot read.
        """
        if not self._is_open:
            raise self._closed()
        try:
            return await self._engine.read(query)
        except sqlite3.Error as error:
            raise from_sqlite(error, self.path) from error

    async def free_bytes(self) -> int:
        """Return the bytes that may still be written on the file system of the store.

        Raises:
            OSError: It cannot be asked.
        """
        return await self._engine.free_bytes()

    @property
    def commit_seconds(self) -> Histogram:
        """Seconds that each commit took."""
        return self._engine.commit_seconds

    def upsert_participant(self, record: ParticipantRecord) -> asyncio.Future[None]:
        """Insert or replace one participant."""
        return self.write(participants.upsert(record))

    def delete_participant(self, name: str, *, purge: bool = False) -> asyncio.Future[None]:
        """Delete one participant; with `purge`, also every ended message of its inbox."""
        return self.write(participants.delete(name, purge=purge))

    async def participants(self) -> tuple[ParticipantRecord, ...]:
        """Return every participant, sorted by name."""
        return await self.read(participants.all_participants)

    def append_event(
        self,
        event: str,
        name: str | None = None,
        detail: Mapping[str, Any] | None = None,
        *,
        at: float | None = None,
    ) -> asyncio.Future[int]:
        """Append an event that happened now or `at` a wall time; the value is its `seq`."""
        when = self._clock.now() if at is None else at
        return self.write(events.append(when, event, name, detail or {}))

    async def events(self, after: int = 0, max: int = 50) -> tuple[EventRecord, ...]:  # noqa: A002
        """Return the newest `max` events with a `seq` above `after`, oldest first."""
        return await self.read(events.newest(after, max))

    async def newest_by_name(self, kinds: Collection[str]) -> tuple[EventRecord, ...]:
        """Return the newest event of these kinds of each participant."""
        return await self.read(events.newest_by_name(kinds))

    def _committed(self) -> None:
        self._commits.notify()

    def _closed(self) -> StoreClosedError:
        return StoreClosedError(f"the store {self.path} is not open")
