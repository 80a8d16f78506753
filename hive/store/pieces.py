"""Many rows in one statement.

`executemany` runs its statement once for each row and lets go of the interpreter's lock around each
of these runs, so that a busy loop and the writer hand it to and fro for every message. One
statement with many rows needs it once, does the rest of its work beside the loop, and takes two
thirds of the time for 55 rows. There are a few sizes only, so that SQLite keeps what it compiled.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any

Row = tuple[Any, ...]

SIZES = (64, 16, 4, 1)
"""Rows in one statement. Times thirty columns they stay far below SQLite's 32766 parameters."""


def run_in_pieces(
    connection: sqlite3.Connection, statement: Callable[[int], str], rows: Sequence[Row]
) -> None:
    """Run the statements that `statement` makes for so many rows until all rows are through."""
    start = 0
    for size in SIZES:
        while len(rows) - start >= size:
            part = rows[start : start + size]
            connection.execute(statement(size), tuple(chain.from_iterable(part)))
            start += size


def insert(table: str, columns: str) -> Callable[[int], str]:
    """Return what makes the statements that insert rows of these columns."""
    marks = _marks(columns.count(",") + 1)

    @cache
    def statement(size: int) -> str:
        return f"INSERT INTO {table} ({columns}) VALUES {_repeated(marks, size)}"  # noqa: S608

    return statement


def update(table: str, key: str, columns: str, constant: str = "") -> Callable[[int], str]:
    """Return what makes the statements that set these columns of the row with a key.

    A row of values is the columns in order and then the key. `constant` is set in all of them.
    """
    names = [name.strip() for name in columns.split(",")]
    values = [f"{name} = v.column{number}" for number, name in enumerate(names, start=1)]
    assigned = ", ".join([constant, *values] if constant else values)
    marks = _marks(len(names) + 1)

    @cache
    def statement(size: int) -> str:
        return (
            f"UPDATE {table} SET {assigned} FROM (VALUES {_repeated(marks, size)}) AS v "  # noqa: S608
            f"WHERE {table}.{key} = v.column{len(names) + 1}"
        )

    return statement


def _marks(count: int) -> str:
    return f"({', '.join('?' * count)})"


def _repeated(marks: str, size: int) -> str:
    return ", ".join([marks] * size)
