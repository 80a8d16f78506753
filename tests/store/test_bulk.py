"""Multi-row statements write every row once, for any number of rows, and find it by its key."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import chain

import pytest

from hive.store.bulk import MAX_ROWS, Row, insert, run_in_chunks, update


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.execute(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '', weight, kept)"
    )
    yield opened
    opened.close()


def things(connection: sqlite3.Connection) -> list[Row]:
    return connection.execute("SELECT id, name, weight, kept FROM things ORDER BY id").fetchall()


def flat(rows: Iterable[Row]) -> list[object]:
    """Return the values of all rows as one list."""
    return list(chain.from_iterable(rows))


SIZES = tuple(MAX_ROWS >> half for half in range(MAX_ROWS.bit_length()))
COUNTS = [0, 1, 2, 3, SIZES[0] - 1, SIZES[0], 2 * SIZES[0] + SIZES[1] + 3]


@pytest.mark.parametrize("count", COUNTS)
def test_every_row_is_inserted_once(connection: sqlite3.Connection, count: int) -> None:
    rows = [(number, f"thing {number}") for number in range(count)]
    run_in_chunks(connection, insert("things", "id, name"), flat(rows), 2)
    assert things(connection) == [(*row, None, None) for row in rows]


@pytest.mark.parametrize("count", COUNTS)
def test_every_row_is_updated_by_its_key_and_no_other(
    connection: sqlite3.Connection, count: int
) -> None:
    many = range(count + 2)
    run_in_chunks(connection, insert("things", "id, name"), flat((n, "old") for n in many), 2)
    changes = [(number, f"new {number}", number / 2) for number in reversed(range(count))]
    run_in_chunks(connection, update("things", "id, name, weight", "kept = 1"), flat(changes), 3)
    changed = [(number, f"new {number}", number / 2, 1) for number in range(count)]
    left = [(number, "old", None, None) for number in many[count:]]
    assert things(connection) == changed + left


def test_columns_that_are_not_set_keep_their_values(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO things VALUES (1, 'old', 5, 6)")
    run_in_chunks(connection, update("things", "id, weight"), [1, 7], 2)
    assert things(connection) == [(1, "old", 7, 6)]


def test_the_last_of_several_changes_of_one_row_counts(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO things (id) VALUES (1)")
    run_in_chunks(connection, update("things", "id, weight"), [1, 7, 1, 8, 1, 9], 2)
    assert things(connection) == [(1, "", 9, None)]


def test_an_update_of_a_missing_row_inserts_one_with_defaults(
    connection: sqlite3.Connection,
) -> None:
    """The reason why mail without an inbox is hidden."""
    run_in_chunks(connection, update("things", "id, weight", "kept = 1"), [1, 7], 2)
    assert things(connection) == [(1, "", 7, None)]


def test_many_rows_take_few_statements(connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    run_in_chunks(connection, insert("things", "id"), list(range(100)), 1)
    assert len(statements) == 1 + 1 + 1  # 64, 32 and 4


@pytest.mark.parametrize("size", SIZES)
def test_no_statement_builds_an_ephemeral_table(connection: sqlite3.Connection, size: int) -> None:
    values = list(range(2 * size))
    for statement in (insert("things", "id, name"), update("things", "id, weight", "kept = 1")):
        steps = connection.execute(f"EXPLAIN {statement(size)}", values).fetchall()
        assert not {step[1] for step in steps} & {"OpenEphemeral", "OpenAutoindex", "SorterOpen"}


def test_one_bad_row_rolls_back_its_whole_statement(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        run_in_chunks(connection, insert("things", "id"), [1, 2, 3, 2], 1)
    assert things(connection) == []
