"""Rows in pieces: every row is written once, whatever their number, and found by its key."""

import sqlite3
from collections.abc import Iterator

import pytest

from hive.store.pieces import SIZES, Row, insert, run_in_pieces, update


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, weight, kept)")
    yield opened
    opened.close()


def things(connection: sqlite3.Connection) -> list[Row]:
    return connection.execute("SELECT id, name, weight, kept FROM things ORDER BY id").fetchall()


COUNTS = [0, 1, 2, 3, SIZES[0] - 1, SIZES[0], 2 * SIZES[0] + SIZES[1] + 3]


@pytest.mark.parametrize("count", COUNTS)
def test_every_row_is_inserted_once(connection: sqlite3.Connection, count: int) -> None:
    rows = [(number, f"thing {number}") for number in range(count)]
    run_in_pieces(connection, insert("things", "id, name"), rows)
    assert things(connection) == [(*row, None, None) for row in rows]


@pytest.mark.parametrize("count", COUNTS)
def test_every_row_is_updated_by_its_key_and_no_other(
    connection: sqlite3.Connection, count: int
) -> None:
    many = range(count + 2)
    run_in_pieces(connection, insert("things", "id, name"), [(n, "old") for n in many])
    changes = [(f"new {number}", number / 2, number) for number in reversed(range(count))]
    run_in_pieces(connection, update("things", "id", "name, weight", "kept = 1"), changes)
    changed = [(number, f"new {number}", number / 2, 1) for number in range(count)]
    left = [(number, "old", None, None) for number in many[count:]]
    assert things(connection) == changed + left


def test_many_rows_take_few_statements(connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    run_in_pieces(connection, insert("things", "id"), [(number,) for number in range(100)])
    assert len(statements) == 1 + 2 + 1


def test_an_update_looks_each_row_up_by_its_key(connection: sqlite3.Connection) -> None:
    statement = update("things", "id", "name")(2)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("a", 1, "b", 2)).fetchall()
    assert any("SEARCH things USING INTEGER PRIMARY KEY" in row[3] for row in plan), plan
    assert not any("SCAN things" in row[3] for row in plan), plan


def test_one_bad_row_leaves_none_of_its_piece(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        run_in_pieces(connection, insert("things", "id"), [(1,), (2,), (3,), (2,)])
    assert things(connection) == []
