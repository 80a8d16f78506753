"""The store: one SQLite file, one writer, and what the rest of the hive may ask of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hive.clock import Clock, SystemClock
from hive.store import events, participants
from hive.store.engine import Engine, ThreadEngine
from hive.store.errors import StoreClosedError, StoreError, StoreFullError, from_sqlite
from hive.store.health import Health
from hive.store.records import EventRecord, ParticipantRecord
from hive.store.unit import Op, Query
from hive.store.writer import Write, Writer

T = TypeVar("T")


class Store:
    """Durable state of one hive.

    A future from any writing method is done once the write is on disk (fsync). Cancelling it does
    not cancel the write. If the store cannot say whether a write happened it fails with a
    `StoreError`, which is an `UnavailableError`.

    Args:
        path: The SQLite file; its directory must exist.
        engine: Where SQLite runs.
        clock: Wall time of the events.

    Attributes:
        health: Whether writes are taken; while they are not, reads still are.
    """

    def __init__(
        self, path: Path, engine: Engine | None = None, *, clock: Clock | None = None
    ) -> None:
        self.path = path
        self._engine: Engine = engine or ThreadEngine()
        self._clock: Clock = clock or SystemClock()
        self.health = Health(self._clock)
        self._writer: Writer | None = None
        self._listeners: list[Callable[[], None]] = []
        self._is_open = False

    def __repr__(self) -> str:
        return f"<Store {self.path} {'open' if self._is_open else 'closed'}>"

    async def __aenter__(self) -> Store:
        await self.open()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open or create the file, check that commits are durable, bring the tables up to date.

        If only the room on the disk is missing, and the tables are up to date, the store is open
        for reads and in trouble until there is room.

        Raises:
            StoreError: The subclass says what is wrong with the file, and what to do.
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
            self._writer.suffer(failure)
        self._is_open = True

    async def _open_engine(self) -> StoreFullError | None:
        """Open the engine, for writing or only for reading; return why not for writing."""
        try:
            await self._engine.open(self.path)
        except sqlite3.Error as error:
            failure = from_sqlite(error, self.path)
            if not isinstance(failure, StoreFullError):
                raise failure from error
        else:
            return None
        try:
            await self._engine.open_to_read(self.path)
        except (sqlite3.Error, StoreError):
            raise failure from None
        return failure

    async def close(self) -> None:
        """Commit everything that waits and close the file. Does nothing the second time."""
        self._is_open = False
        if self._writer is not None:
            await self._writer.close()
        self.health.close(self._closed())
        await self._engine.close()

    def write(self, op: Op[T]) -> asyncio.Future[T]:
        """Apply a write in the next batch; the future has its value once it is on disk.

        An error that the write itself raises harms no other write and becomes the future's error.
        """
        if self._writer is None:
            raise self._closed()
        return self._writer.write(op)

    def queue(self, write: Write) -> None:
        """Let a write take part in the next batch, which is formed when the writer is free.

        So all that happens while the batch before it is on its way to the disk can join it.
        """
        if self._writer is None:
            raise self._closed()
        self._writer.queue(write)

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each commit; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def read(self, query: Query[T]) -> T:
        """Run a read; it sees what was committed when it began, and waits for no write.

        Raises:
            StoreError: When SQLite cannot read.
        """
        if not self._is_open:
            raise self._closed()
        try:
            return await self._engine.read(query)
        except sqlite3.Error as error:
            raise from_sqlite(error, self.path) from error

    def upsert_participant(self, record: ParticipantRecord) -> asyncio.Future[None]:
        """Write one participant whole."""
        return self.write(participants.upsert(record))

    def delete_participant(self, name: str, *, purge: bool = False) -> asyncio.Future[None]:
        """Forget one participant; with `purge`, delete every message of its inbox too."""
        return self.write(participants.delete(name, purge=purge))

    async def participants(self) -> tuple[ParticipantRecord, ...]:
        """Return every participant, sorted by name."""
        return await self.read(participants.all_of_them)

    def append_event(
        self,
        event: str,
        name: str | None = None,
        detail: Mapping[str, Any] | None = None,
        *,
        at: float | None = None,
    ) -> asyncio.Future[int]:
        """Keep that something happened, now or `at` a wall time; the value is the event's `seq`."""
        when = self._clock.now() if at is None else at
        return self.write(events.append(when, event, name, detail or {}))

    async def events(self, after: int = 0, max: int = 50) -> tuple[EventRecord, ...]:  # noqa: A002
        """Return the newest `max` events with a `seq` above `after`, oldest first."""
        return await self.read(events.newest(after, max))

    async def newest_by_name(self, kinds: Collection[str]) -> tuple[EventRecord, ...]:
        """Return, for each participant, the newest of its events of these kinds."""
        return await self.read(events.newest_by_name(kinds))

    def _committed(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _closed(self) -> StoreClosedError:
        return StoreClosedError(f"the store {self.path} is not open")
