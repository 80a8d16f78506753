"""Many rows in one statement.

`executemany` runs its statement once for each row and lets go of the interpreter's lock around each
of these runs, so that a busy loop and the writer hand it to and fro for every message. One
statement with many rows needs it once and does the rest of its work beside the loop. The
sizes are powers of two, so that SQLite keeps what it compiled.

Rows that are there are changed by the conflict of an insert with them. `UPDATE ... FROM (VALUES)`
and `id IN (...)` would each build a table of their own in every statement. The memory of such a
table goes back to the system after each commit and is taken again by the next: two to three
system calls of 28 us, whenever the heap's top happens to be there. The conflict also takes 0.6 to
0.9 of their time. Its price: of a row that is not there any more it makes one of defaults, so the
table must be such that nobody sees that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

Row = tuple[Any, ...]

MOST = 64
"""Most rows in one statement: with thirty columns far below the 32766 parameters of SQLite."""


def run_in_pieces(
    connection: sqlite3.Connection,
    statement: Callable[[int], str],
    values: Sequence[Any],
    width: int,
) -> None:
    """Run the statements that `statement` makes for so many rows until all values are through.

    Args:
        connection: Where they run.
        statement: Makes the statement for a number of rows.
        values: The values of all rows, one row behind the other.
        width: Values of one row.
    """
    start, rows = 0, len(values) // width
    while rows:
        size = min(MOST, 1 << rows.bit_length() - 1)
        end = start + size * width
        connection.execute(statement(size), values[start:end])
        start = end
        rows -= size


def insert(table: str, columns: str) -> Callable[[int], str]:
    """Return what makes the statements that insert rows of these columns."""
    marks = _marks(columns)

    @cache
    def statement(size: int) -> str:
        return f"INSERT INTO {table} ({columns}) VALUES {_repeated(marks, size)}"  # noqa: S608

    return statement


def update(table: str, columns: str, constant: str = "") -> Callable[[int], str]:
    """Return what makes the statements that set these columns of rows that are there.

    Args:
        table: Whose rows they are. All other columns must be free to be NULL or have a default:
            SQLite checks that before it finds that the row is there.
        columns: The key, then what is set.
        constant: Assignments that are the same for all rows.
    """
    key, *names = width_names(columns)
    marks = _marks(columns)
    values = [f"{name} = excluded.{name}" for name in names]
    assigned = ", ".join(filter(None, (constant, *values)))

    @cache
    def statement(size: int) -> str:
        return (
            f"INSERT INTO {table} ({columns}) VALUES {_repeated(marks, size)} "  # noqa: S608
            f"ON CONFLICT ({key}) DO UPDATE SET {assigned}"
        )

    return statement


def width_names(columns: str) -> list[str]:
    """Return the names in a list of columns."""
    return [name.strip() for name in columns.split(",") if name.strip()]


def _marks(columns: str) -> str:
    return f"({', '.join('?' * len(width_names(columns)))})"


def _repeated(marks: str, size: int) -> str:
    return ", ".join([marks] * size)
