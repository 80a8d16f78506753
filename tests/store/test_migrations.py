"""Migrations of files of every earlier version lose nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hive.store import InlineEngine, Store, StoreCorruptError, StoreVersionError
from hive.store.database import prepare
from hive.store.messages import undelivered
from hive.store.schema import APPLICATION_ID, MIGRATIONS, migrate, version_of
from hive.store.search import SearchCriteria, search
from tests.store.old_files import ALL, ROWS, USED_UP, build, contents
from tests.store.rows import message, storing

VERSIONS = range(1, len(ALL) + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_in_an_old_file_is_kept(path: Path, version: int) -> None:
    build(path, version)
    before = contents(path)
    prepare(path, migrations=ALL)
    assert contents(path) == before
    assert before["messages"] == list(ROWS)
    assert before["last_id"] == [(USED_UP,)]
    with closing(sqlite3.connect(path)) as connection:
        assert version_of(connection) == len(ALL)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_file_ends_up_with_the_tables_of_a_new_one(tmp_path: Path, version: int) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    build(old, version)
    prepare(old, migrations=ALL)
    prepare(new, migrations=ALL)
    assert shape(old) == shape(new)


def shape(path: Path) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema"
        return set(connection.execute(query))


def test_each_migration_is_applied_once_in_any_steps(path: Path) -> None:
    build(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert migrate(connection, ALL[:2]) == (1, 2)
        assert migrate(connection, ALL) == (2, len(ALL))
        assert migrate(connection, ALL) == (len(ALL), len(ALL))
        marked = connection.execute("SELECT number FROM marks WHERE name = 'coloured'")
        assert marked.fetchall() == [(len(ROWS),)]
        found = connection.execute("SELECT id, colour FROM mail WHERE colour IS NOT NULL")
        assert found.fetchall() == [(1, "red")]


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_a_file_of_a_newer_version_is_not_touched(path: Path, version: int) -> None:
    build(path, version)
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match=f"version {version}.* knows {version - 1}.*newer"):
        prepare(path, migrations=ALL[: version - 1])
    assert path.read_bytes() == before


FOREIGN = {
    "tables": ["CREATE TABLE theirs (x)"],
    "version": ["PRAGMA user_version = 1"],
    "application": [f"PRAGMA application_id = {APPLICATION_ID + 1}"],
}


@pytest.mark.parametrize("statements", FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_program_is_not_touched(path: Path, statements: list[str]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError, match="of another program"):
        prepare(path, migrations=ALL)
    assert path.read_bytes() == before


@pytest.mark.sim
@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
async def test_old_mail_is_delivered_numbered_and_found(path: Path, version: int) -> None:
    build(path, version)
    async with Store(path, InlineEngine()) as store:
        found = await store.read(undelivered(0.0))
        assert [message.id for message in found.rows] == [2]
        assert found.last_id == USED_UP
        foxes = await search(store, SearchCriteria("fox"), 10)
        assert [message.id for message in foxes] == [1, 5]


@pytest.mark.sim
@pytest.mark.usefixtures("later_program")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_store_migrates_its_file_and_accepts_writes(path: Path, version: int) -> None:
    build(path, version)
    async with Store(path, InlineEngine()) as store:
        assert await store.write(storing(message())) == [USED_UP + 1]
        assert [event.event for event in await store.events()] == ["old"]
        assert await store.read(version_of) == len(ALL)
