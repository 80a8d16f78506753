"""Multi-row INSERT and UPDATE statements.

`executemany` runs its statement once for each row and releases the GIL around each run, so that a
busy loop and the writer's thread hand it back and forth for every message. A multi-row statement
takes it once and does the rest of its work in parallel with the loop. The numbers of rows are
powers of two, so that SQLite's cache of compiled statements holds them all.

Existing rows are updated by an upsert (INSERT ... ON CONFLICT DO UPDATE). `UPDATE ... FROM
(VALUES)` and `id IN (...)` would each build an ephemeral table in every statement; its memory may
be returned to the system after each commit and requested again by the next, two to three system
calls of 28 us. The upsert also takes 0.6 to 0.9 of their time. Its cost: where a row was deleted
meanwhile, it inserts one with defaults, so readers of the table must ignore such rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

Row = tuple[Any, ...]

MAX_ROWS = 64
"""Most rows in one statement; with thirty columns far below the 32766 parameters of SQLite."""


def run_in_chunks(
    connection: sqlite3.Connection,
    statement: Callable[[int], str],
    values: Sequence[Any],
    width: int,
) -> None:
    """Run a multi-row statement as often as all rows need.

    Args:
        connection: The connection.
        statement: Returns the SQL for a number of rows.
        values: The values of all rows in one flat list.
        width: The number of values of one row.
    """
    start, rows = 0, len(values) // width
    while rows:
        size = min(MAX_ROWS, 1 << rows.bit_length() - 1)
        end = start + size * width
        connection.execute(statement(size), values[start:end])
        start = end
        rows -= size


def insert(table: str, columns: str) -> Callable[[int], str]:
    """Return a function from a number of rows to the SQL that inserts them."""
    row = _placeholders(columns)

    @cache
    def statement(size: int) -> str:
        return f"INSERT INTO {table} ({columns}) VALUES {_repeat(row, size)}"  # noqa: S608

    return statement


def update(table: str, columns: str, constant: str = "") -> Callable[[int], str]:
    """Return a function from a number of rows to the SQL that updates existing rows.

    Args:
        table: The table. All other columns must be nullable or have a default: SQLite checks that
            before it finds that the row exists.
        columns: The key, then the columns to set.
        constant: Assignments that are the same for all rows.
    """
    key, *names = column_names(columns)
    row = _placeholders(columns)
    values = [f"{name} = excluded.{name}" for name in names]
    assigned = ", ".join(filter(None, (constant, *values)))

    @cache
    def statement(size: int) -> str:
        return (
            f"INSERT INTO {table} ({columns}) VALUES {_repeat(row, size)} "  # noqa: S608
            f"ON CONFLICT ({key}) DO UPDATE SET {assigned}"
        )

    return statement


def column_names(columns: str) -> list[str]:
    """Return the names in a list of columns."""
    return [name.strip() for name in columns.split(",") if name.strip()]


def _placeholders(columns: str) -> str:
    return f"({', '.join('?' * len(column_names(columns)))})"


def _repeat(row: str, size: int) -> str:
    return ", ".join([row] * size)
