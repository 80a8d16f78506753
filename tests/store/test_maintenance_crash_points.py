"""Crashes before every SQL statement of a migration, a retention pass or an indexing."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from shutil import copyfile

import pytest

from actors.testing import run_simulation
from hive.store import NO_ORIGIN, InlineEngine, MessageState, Store
from hive.store.database import prepare
from hive.store.messages import highest_id
from hive.store.retention import apply_retention
from hive.store.schema import version_of
from hive.store.search import SearchCriteria, search, update_index
from tests.broker.faults import Crash, Faults
from tests.store.old_files import ALL, build, contents
from tests.store.rows import DAY, KEEP, NOW, message, put, session_number

BATCH_ROWS = 4
"""Few rows in one write, so that there are many writes."""

STATES = ("acked", "stored", "expired", "dead", "acked")

Work = Callable[[Store], Awaitable[object]]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive.store.retention.BATCH_ROWS", BATCH_ROWS)
    monkeypatch.setattr("hive.store.retention.MIN_SESSIONS", 0)
    monkeypatch.setattr("hive.store.search.BATCH_ROWS", BATCH_ROWS)


# Migrations


@pytest.mark.parametrize("version", range(1, len(ALL)))
def test_a_crash_in_a_migration_is_repaired_by_the_next_start(tmp_path: Path, version: int) -> None:
    old, whole = tmp_path / "old", tmp_path / "whole"
    build(old, version)
    before = contents(old)
    copyfile(old, whole)
    count = migrate_until(whole, None).statements
    assert count > sum(len(step) for step in ALL[version:]), "each statement is a point"
    for statement in range(1, count + 1):
        path = tmp_path / str(statement)
        copyfile(old, path)
        assert migrate_until(path, statement).dead
        assert contents(path) == before, "nothing is lost half-way"
        prepare(path, migrations=ALL)
        assert contents(path) == before
        assert shape(path) == shape(whole)


def test_a_crash_in_the_creation_is_repaired_by_the_next_start(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    for statement in range(1, migrate_until(whole, None).statements + 1):
        path = tmp_path / str(statement)
        assert migrate_until(path, statement).dead
        prepare(path, migrations=ALL)
        assert shape(path) == shape(whole)


def migrate_until(path: Path, statement: int | None) -> Faults:
    faults = Faults()
    faults.crash_at = statement
    try:
        prepare(path, faults.connection_class(), ALL)
    except Crash:
        assert faults.dead
    return faults


def shape(path: Path) -> tuple[int, set[tuple[str, str, str]]]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema"
        return version_of(connection), set(connection.execute(query))


# Retention and indexing


def test_a_crash_in_a_retention_pass_deletes_only_old_rows_and_marks_them(
    tmp_path: Path,
) -> None:
    async def maintain(store: Store) -> int:
        return await apply_retention(store, KEEP, NOW)

    for path in crashes(tmp_path, maintain, before=update_index):
        every_gap_is_marked(path)
        all_mail_has_its_sender(path)
        run_simulation(lambda path=path: on(path, maintain))  # type: ignore[misc]
        index_is_sound(path)
        left = column(path, "SELECT state FROM messages")
        assert set(left) == {"stored", "dead"}
        all_mail_has_its_sender(path)
        assert column(path, "SELECT name FROM sessions") == ["system", "alice"]
        assert column(path, "SELECT seq FROM events") == []


def test_after_a_crash_in_an_indexing_every_message_is_found_once(tmp_path: Path) -> None:
    for path in crashes(tmp_path, update_index):
        found = run_simulation(lambda path=path: on(path, look_for_fox))  # type: ignore[misc]
        assert found == column(path, "SELECT id FROM messages ORDER BY id")
        index_is_sound(path)


async def look_for_fox(store: Store) -> list[int]:
    return [message.id for message in await search(store, SearchCriteria("fox"), 1000)]


async def nothing(store: Store) -> None:
    """Do nothing."""


def crashes(directory: Path, work: Work, *, before: Work = nothing) -> list[Path]:
    """Run the work to its end, then once for each of its statements, with a crash before it."""
    filled, whole = directory / "filled.sqlite", directory / "whole.sqlite"
    fill(filled)
    run_simulation(lambda: on(filled, before))
    copyfile(filled, whole)
    count = do_until(whole, work, None).statements
    assert count > 20
    paths = []
    for statement in range(1, count + 1):
        path = directory / f"{statement}.sqlite"
        copyfile(filled, path)
        assert do_until(path, work, statement).dead
        index_is_sound(path)
        paths.append(path)
    return paths


def do_until(path: Path, work: Work, statement: int | None) -> Faults:
    faults = Faults()
    faults.crash_at = statement
    try:
        run_simulation(lambda: on(path, work, InlineEngine(faults.connection_class())))
    except Crash:
        assert faults.dead
    return faults


async def on(path: Path, work: Work, engine: InlineEngine | None = None) -> object:
    async with Store(path, engine or InlineEngine()) as store:
        return await work(store)


def fill(path: Path) -> None:
    """Create a store with old mail in all states, and old events."""
    prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        for state in STATES * 2:
            ended_at = None if state == "stored" else DAY
            fox = message(body="a quick fox", state=MessageState(state), ended_at=ended_at)
            put(connection, fox)
        for name in ("once", "twice", "and", "never", "again"):
            session_number(connection, name, "agent", NO_ORIGIN)
        connection.executemany(
            "INSERT INTO events (at, event, detail) VALUES (?, 'old', '{}')", [(DAY,)] * 6
        )
        connection.commit()


def every_gap_is_marked(path: Path) -> None:
    """The marks cover every deleted number, so that a reader with an older cursor is refused."""
    with closing(sqlite3.connect(path)) as connection:
        gone = set(range(1, 11)) - set(column(path, "SELECT id FROM messages"))
        marks = dict(connection.execute("SELECT name, number FROM marks").fetchall())
        assert max(gone, default=0) <= marks["messages_gone"]
        events = set(range(1, 7)) - set(column(path, "SELECT seq FROM events"))
        assert max(events, default=0) <= marks["events_gone"]


def all_mail_has_its_sender(path: Path) -> None:
    """The view shows all mail, which needs its senders, and no id will be given again."""
    assert column(path, "SELECT id FROM mail") == column(path, "SELECT id FROM messages")
    with closing(sqlite3.connect(path)) as connection:
        assert highest_id(connection) == 2 * len(STATES)


def index_is_sound(path: Path) -> None:
    """The index has the words of the indexed messages, and no others."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        marked = "(SELECT number FROM marks WHERE name = 'searchable')"
        indexed = {row[0] for row in connection.execute("SELECT rowid FROM search('fox')")}
        there = connection.execute(f"SELECT id FROM messages WHERE id <= {marked}")
        assert indexed == {row[0] for row in there}


def column(path: Path, query: str) -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute(query)]
