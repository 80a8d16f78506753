"""A file of every earlier version is brought up to date, and nothing in it is lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hive.store import InlineEngine, Store
from hive.store.connection import prepare
from hive.store.messages import undelivered
from hive.store.schema import MIGRATIONS, version_of
from hive.store.search import Wanted, search
from tests.store.old_files import ROWS, build, contents

VERSIONS = range(1, len(MIGRATIONS) + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_in_an_old_file_is_kept(path: Path, version: int) -> None:
    build(path, version)
    before = contents(path)
    prepare(path)
    assert contents(path) == before
    assert before["messages"] == list(ROWS)
    assert before["last_id"] == [(9,)]
    with closing(sqlite3.connect(path)) as connection:
        assert version_of(connection) == len(MIGRATIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_file_ends_up_with_the_tables_of_a_new_one(tmp_path: Path, version: int) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    build(old, version)
    prepare(old)
    prepare(new)
    assert shape(old) == shape(new)


def shape(path: Path) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema"
        return set(connection.execute(query))


@pytest.mark.sim
@pytest.mark.parametrize("version", VERSIONS)
async def test_old_mail_is_delivered_numbered_and_found(path: Path, version: int) -> None:
    build(path, version)
    async with Store(path, InlineEngine()) as store:
        found = await store.read(undelivered(0.0))
        assert [message.id for message in found.rows] == [2]
        assert found.last_id == 9
        foxes = await search(store, Wanted("fox"), 10)
        assert [message.id for message in foxes] == [1, 5]
