"""What runs on a connection as one piece: a batch of writes, or a read.

A batch is one transaction, so all its writes share one fsync. It is run without savepoints first;
only if one of the writes fails is it rolled back and run again with a savepoint around each, so
that the failing one fails alone. Writes must therefore be repeatable: whatever they change is in
the database, nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from attrs import define, field, frozen

T = TypeVar("T")

Op = Callable[[sqlite3.Connection], T]
"""A write: applied inside a transaction that is not its own; its value goes to who asked."""

Query = Callable[[sqlite3.Connection], T]
"""A read: all its statements see the same moment."""


class Unit(Protocol):
    """Work for a connection, on whatever thread the connection lives."""

    def run(self, connection: sqlite3.Connection) -> None:
        """Do the work and keep its outcome."""
        ...


@define
class Succeeded:
    """A write that is on disk, with the value that it returned."""

    value: Any


@frozen
class Refused:
    """A write that failed alone; the rest of its batch is on disk."""

    error: Exception


@define
class Batch:
    """Writes that are committed together.

    Attributes:
        ops: The writes, in order.
        outcomes: One for each write, once `run` has returned.
    """

    ops: Sequence[Op[Any]]
    outcomes: list[Succeeded | Refused] = field(factory=list, init=False)

    def run(self, connection: sqlite3.Connection) -> None:
        """Apply and commit all writes.

        Raises:
            sqlite3.Error: When the batch as a whole failed and nothing of it is on disk.
        """
        try:
            self._transact(connection, _plain)
        except Exception as error:
            if not fails_alone(error):
                raise
            self._transact(connection, guarded)

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
    """A read that sees one moment of the database."""

    query: Query[T]
    values: list[T] = field(factory=list, init=False)

    def run(self, connection: sqlite3.Connection) -> None:
        """Run the query and keep its value."""
        connection.execute("BEGIN")
        try:
            self.values.append(self.query(connection))
        finally:
            connection.execute("ROLLBACK")


_Apply = Callable[[sqlite3.Connection, Op[Any]], Succeeded | Refused]

_STATEMENT_CODES = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_TOOBIG,
    }
)


def fails_alone(error: Exception) -> bool:
    """Return whether an error is the fault of one write, not of the disk, file or lock."""
    if not isinstance(error, sqlite3.Error):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _STATEMENT_CODES


def _plain(connection: sqlite3.Connection, op: Op[Any]) -> Succeeded:
    return Succeeded(op(connection))


def guarded(connection: sqlite3.Connection, op: Op[Any]) -> Succeeded | Refused:
    """Apply a write such that, if it fails by its own fault, it fails alone.

    Raises:
        sqlite3.Error: The fault is that of the disk, the file or the lock.
    """
    connection.execute("SAVEPOINT op")
    outcome: Succeeded | Refused
    try:
        outcome = Succeeded(op(connection))
    except Exception as error:
        if not fails_alone(error):
            raise
        connection.execute("ROLLBACK TO op")
        outcome = Refused(error)
    connection.execute("RELEASE op")
    return outcome
