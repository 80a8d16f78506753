"""Transactions: a batch of writes, and a read.

A batch is one transaction, so all its writes share one fsync. It first runs without savepoints. If
one of the writes fails, the batch is rolled back and runs again with a savepoint around each write,
so that only the failing one is rolled back. Writes must therefore be repeatable: they change the
database and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from attrs import define, field, frozen

T = TypeVar("T")

Op = Callable[[sqlite3.Connection], T]
"""A write: runs inside the transaction of its batch; its value goes to its caller."""

Query = Callable[[sqlite3.Connection], T]
"""A read: all its statements see one snapshot of the database."""


class Work(Protocol):
    """Work that runs on the thread of a connection."""

    def run(self, connection: sqlite3.Connection) -> None:
        """Do the work and store its outcome."""
        ...


@define
class Committed:
    """Outcome of a write that is on disk, with the value that it returned."""

    value: Any


@frozen
class RolledBack:
    """Outcome of a write that failed alone; the rest of its batch is on disk."""

    error: Exception


@define
class Batch:
    """Writes that are committed together.

    Attributes:
        ops: The writes, in order.
        outcomes: One for each write, set by `run`.
    """

    ops: Sequence[Op[Any]]
    outcomes: list[Committed | RolledBack] = field(factory=list, init=False)

    def run(self, connection: sqlite3.Connection) -> None:
        """Apply and commit all writes.

        Raises:
            sqlite3.Error: The whole batch failed; nothing of it is on disk.
        """
        try:
            self._transact(connection, _apply_directly)
        except Exception as error:
            if not fails_alone(error):
                raise
            self._transact(connection, apply_in_savepoint)

    def _transact(self, connection: sqlite3.Connection, apply: _Apply) -> None:
        self.outcomes.clear()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for op in self.ops:
                self.outcomes.append(apply(connection, op))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


@define
class Read(Generic[T]):
    """A read of one snapshot of the database."""

    query: Query[T]
    values: list[T] = field(factory=list, init=False)

    def run(self, connection: sqlite3.Connection) -> None:
        """Run the query and store its value."""
        connection.execute("BEGIN")
        try:
            self.values.append(self.query(connection))
        finally:
            if connection.in_transaction:  # after some errors SQLite has ended it already
                connection.execute("ROLLBACK")


_Apply = Callable[[sqlite3.Connection, Op[Any]], Committed | RolledBack]

_STATEMENT_CODES = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_TOOBIG,
    }
)


def fails_alone(error: Exception) -> bool:
    """Return whether an error is caused by one write, not by the disk, the file or a lock."""
    if not isinstance(error, sqlite3.Error):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _STATEMENT_CODES


def _apply_directly(connection: sqlite3.Connection, op: Op[Any]) -> Committed:
    return Committed(op(connection))


def apply_in_savepoint(connection: sqlite3.Connection, op: Op[Any]) -> Committed | RolledBack:
    """Apply a write; if it fails by itself, roll back this write alone.

    Raises:
        sqlite3.Error: The cause is the disk, the file or a lock.
    """
    connection.execute("SAVEPOINT op")
    outcome: Committed | RolledBack
    try:
        outcome = Committed(op(connection))
    except Exception as error:
        if not fails_alone(error):
            raise
        connection.execute("ROLLBACK TO op")
        outcome = RolledBack(error)
    connection.execute("RELEASE op")
    return outcome
