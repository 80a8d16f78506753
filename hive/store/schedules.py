"""Schedules: messages that participants get again and again; writes and reads of their table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from attrs import evolve, fields, frozen

from hive.store import audit
from hive.store.audit import AuditEntry
from hive.store.transaction import Op, Query


@frozen
class Schedule:
    """A message that a participant gets again and again. Times are wall seconds.

    Attributes:
        id: Its number; 0 before it is stored.
        name: The participant that gets the message.
        recurrence: When, in the words of who asked; see `hive.schedules.recurrence`.
        timezone: The IANA name of the time zone of a cron expression.
        body: The text of the message.
        description: The words of who asked, for the operator.
        requested_by: Who asked.
        approval: The approval that it carries out; None if the operator made it.
        created_at: When it began; intervals count from then.
        last_at: When the newest message was stored; before the first, when it began.
        next_at: When the next one is due.
        orphaned: Whether its participant was removed since.
        ended_at: When it was cancelled, or its participant was gone.
        reason: Why it has ended.
    """

    name: str
    recurrence: str
    timezone: str
    body: str
    requested_by: str
    created_at: float
    last_at: float
    next_at: float
    id: int = 0
    description: str | None = None
    approval: int | None = None
    orphaned: bool = False
    ended_at: float | None = None
    reason: str | None = None


_COLUMNS = tuple(attribute.name for attribute in fields(Schedule))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM schedules"  # noqa: S608 - own column names
_INSERT = (
    f"INSERT INTO schedules ({', '.join(_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


def insert(schedule: Schedule, entry: AuditEntry) -> Op[Schedule]:
    """Insert a new schedule, with its entry of the audit; the value has its number.

    A second schedule of the same approval is not inserted; the value is the first, even if that has
    ended.
    """

    def op(connection: sqlite3.Connection) -> Schedule:
        if schedule.approval is not None:
            found = of_approval(schedule.approval)(connection)
            if found is not None:
                return found
        values = [None if name == "id" else getattr(schedule, name) for name in _COLUMNS]
        number = connection.execute(_INSERT, values).lastrowid
        assert number is not None
        audit.append(connection, entry)
        return evolve(schedule, id=number)

    return op


def advance(schedule: Schedule) -> Op[None]:
    """Store when a schedule was last due, and when it is due next."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute(
            "UPDATE schedules SET last_at = ?, next_at = ? WHERE id = ?",
            (schedule.last_at, schedule.next_at, schedule.id),
        )

    return op


def end(schedule: Schedule, entry: AuditEntry) -> Op[None]:
    """Store the end of a schedule, with its entry of the audit. Idempotent."""

    def op(connection: sqlite3.Connection) -> None:
        ended = connection.execute(
            "UPDATE schedules SET ended_at = ?, reason = ? WHERE id = ? AND ended_at IS NULL",
            (schedule.ended_at, schedule.reason, schedule.id),
        ).rowcount
        if ended:
            audit.append(connection, entry)

    return op


def open_schedules(connection: sqlite3.Connection) -> list[Schedule]:
    """Read every schedule that has not ended, oldest first."""
    return _records(connection.execute(f"{_SELECT} WHERE ended_at IS NULL ORDER BY id"))


def one(number: int) -> Query[Schedule | None]:
    """Read one schedule, ended or not; None if there is none."""

    def query(connection: sqlite3.Connection) -> Schedule | None:
        found = _records(connection.execute(f"{_SELECT} WHERE id = ?", (number,)))
        return found[0] if found else None

    return query


def of_approval(approval: int) -> Query[Schedule | None]:
    """Read the schedule that an approval has made, ended or not; None if it has made none."""

    def query(connection: sqlite3.Connection) -> Schedule | None:
        found = _records(connection.execute(f"{_SELECT} WHERE approval = ?", (approval,)))
        return found[0] if found else None

    return query


def _records(rows: Iterable[tuple[Any, ...]]) -> list[Schedule]:
    return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> Schedule:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Schedule(**{**values, "orphaned": bool(values["orphaned"])})
