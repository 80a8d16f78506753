"""A SQLite connection that fails, or crashes, at a chosen statement."""

import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any

from actors.testing import run_simulation
from hive.errors import HiveError


class Crash(BaseException):
    """Simulates the end of the process: nothing after it is executed."""


class Faults:
    """Faults of the connections of one engine.

    Attributes:
        statements: Number of statements that have run.
        crash_at: Number of the statement before which the process crashes.
        full: Whether the disk is full, so that every commit fails.
        poison: A value that makes any statement that binds it fail; None for none.
    """

    def __init__(self) -> None:
        self.statements = 0
        self.crash_at: int | None = None
        self.full = False
        self.poison: object = None
        self.dead = False

    def connection_class(self) -> type[sqlite3.Connection]:
        """Return the class to give to an `InlineEngine`."""
        faults = self

        class FaultyConnection(sqlite3.Connection):
            def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
                faults.before(sql)
                faults.taste(args)
                return super().execute(sql, *args)

            def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
                faults.before(sql)
                return super().executemany(sql, *args)

        return FaultyConnection

    def taste(self, args: tuple[Any, ...]) -> None:
        """Fail if a statement binds the poison."""
        if self.poison is not None and args and self.poison in args[0]:
            error = sqlite3.IntegrityError("poison")
            error.sqlite_errorcode = sqlite3.SQLITE_CONSTRAINT
            raise error

    def before(self, sql: str) -> None:
        """Count a statement, and fail if it is the chosen one."""
        if self.dead:
            raise Crash
        self.statements += 1
        if self.statements == self.crash_at:
            self.dead = True
            raise Crash
        if self.full and sql == "COMMIT":
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


def run_until_crash(
    day: Callable[[Faults], Coroutine[Any, Any, None]], statement: int | None
) -> Faults:
    """Simulate a day whose process dies before a statement; None lets it live."""
    faults = Faults()
    faults.crash_at = statement
    try:
        run_simulation(lambda: day(faults))
    except (Crash, HiveError):
        assert faults.dead
    return faults
