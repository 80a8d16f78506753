"""Opening a store: durability settings, the lock, and files that must not be used."""

import asyncio
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from hive.errors import UnavailableError
from hive.store import (
    Engine,
    InlineEngine,
    Store,
    StoreCorruptError,
    StoreLockedError,
    StoreNotDurableError,
    StoreReadOnlyError,
    StoreVersionError,
    ThreadEngine,
)
from hive.store.database import StoreLock, make_durable, prepare, require_durable
from hive.store.schema import APPLICATION_ID, MIGRATIONS, migrate


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def make_directory(path: Path) -> None:
    path.mkdir()


def put(path: Path, content: bytes | bytearray) -> None:
    path.write_bytes(content)


def content_of(path: Path) -> bytes:
    return path.read_bytes()


async def test_the_writer_runs_in_wal_mode_with_full_sync(store: Store) -> None:
    assert await store.write(lambda connection: pragma(connection, "journal_mode")) == "wal"
    assert await store.write(lambda connection: pragma(connection, "synchronous")) == 2
    assert await store.write(lambda connection: pragma(connection, "application_id")) == (
        APPLICATION_ID
    )


@pytest.mark.parametrize("level", ["OFF", "NORMAL"])
def test_a_connection_with_less_than_full_sync_is_refused(path: Path, level: str) -> None:
    prepare(path)
    connection = sqlite3.connect(path, isolation_level=None)
    make_durable(connection)
    connection.execute(f"PRAGMA synchronous = {level}")
    with pytest.raises(StoreNotDurableError, match="synchronous="):
        require_durable(connection)
    connection.close()


@pytest.mark.sim
async def test_a_store_without_full_sync_does_not_open(path: Path) -> None:
    class Lax(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            return super().execute(sql.replace("= FULL", "= NORMAL"), *args)  # type: ignore[arg-type]

    store = Store(path, InlineEngine(Lax))
    with pytest.raises(StoreNotDurableError, match="local file system"):
        await store.open()
    lock = StoreLock(path)
    lock.acquire()
    lock.release()


def test_a_database_without_wal_is_refused() -> None:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(StoreNotDurableError, match="journal_mode=memory"):
        make_durable(connection)
    connection.close()


async def test_a_second_store_is_refused_and_names_the_process_of_the_first(
    store: Store, path: Path
) -> None:
    with pytest.raises(StoreLockedError, match=f"process {os.getpid()}"):
        await Store(path).open()
    await store.close()
    async with Store(path):
        pass


@pytest.mark.sim
async def test_a_read_only_file_is_reported(path: Path) -> None:
    prepare(path)

    class ReadOnly(sqlite3.Connection):
        def __init__(self, database: Path, **options: object) -> None:
            super().__init__(f"file:{database}?mode=ro", uri=True, **options)  # type: ignore[arg-type]

    async with Store(path, InlineEngine(ReadOnly)) as store:
        with pytest.raises(StoreReadOnlyError, match="write access"):
            await store.append_event("x")


@pytest.mark.parametrize("engine", [ThreadEngine, InlineEngine])
@pytest.mark.sim
async def test_a_missing_directory_is_reported(tmp_path: Path, engine: type[Engine]) -> None:
    with pytest.raises(UnavailableError, match="check that the directory exists"):
        await Store(tmp_path / "missing" / "hive.sqlite", engine()).open()


async def test_a_directory_in_place_of_the_file_is_reported(path: Path) -> None:
    make_directory(path)
    with pytest.raises(StoreReadOnlyError, match="cannot be opened"):
        await Store(path).open()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" * 64])
async def test_a_file_that_is_no_database_is_reported(path: Path, content: bytes) -> None:
    put(path, content)
    with pytest.raises(StoreCorruptError, match="restore a backup"):
        await Store(path).open()
    assert content_of(path) == content


async def test_the_database_of_another_program_is_not_changed(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    with pytest.raises(StoreCorruptError, match="another program"):
        await Store(path).open()
    other = sqlite3.connect(path)
    assert pragma(other, "journal_mode") == "delete"
    assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    other.close()


async def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    await asyncio.to_thread(prepare, path)
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreVersionError, match=f"version 99.*knows {len(MIGRATIONS)}"):
        await Store(path).open()


def test_a_migration_keeps_the_rows_of_an_older_file(path: Path) -> None:
    prepare(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("INSERT INTO events (at, event, detail) VALUES (1, 'old', '{}')")
    added = (*MIGRATIONS, ("ALTER TABLE events ADD COLUMN host TEXT DEFAULT 'here'",))
    assert migrate(connection, added) == (len(MIGRATIONS), len(added))
    assert connection.execute("SELECT event, host FROM events").fetchall() == [("old", "here")]
    assert migrate(connection, added) == (len(added), len(added))
    connection.close()


def test_a_migration_that_fails_leaves_the_version_before_it(path: Path) -> None:
    prepare(path)
    connection = sqlite3.connect(path, isolation_level=None)
    good, bad = ("CREATE TABLE good (x)",), ("CREATE TABLE half (x)", "NONSENSE")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (*MIGRATIONS, good, bad))
    assert pragma(connection, "user_version") == len(MIGRATIONS) + 1
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    assert "good" in tables
    assert "half" not in tables
    connection.close()


async def test_opening_twice_in_a_row_keeps_everything(path: Path) -> None:
    for number in range(3):
        async with Store(path) as store:
            assert await store.append_event("again") == number + 1


async def test_several_stores_may_be_open_in_one_process(tmp_path: Path) -> None:
    stores = [Store(tmp_path / f"{number}.sqlite") for number in range(3)]
    await asyncio.gather(*(store.open() for store in stores))
    assert await asyncio.gather(*(store.append_event("x") for store in stores)) == [1, 1, 1]
    await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize("before", [None, 0o644, 0o666])
async def test_only_its_owner_may_read_a_store(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "hive.sqlite"
    if before is not None:
        path.touch()
        path.chmod(before)
    async with Store(path) as store:
        await store.append_event("started")
        files = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
        assert len(files) == 4
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
