"""The audit: who decided what, by which socket and user; rows are only ever appended."""

from __future__ import annotations

import sqlite3
from typing import Any

from attrs import fields, frozen

from hive.store.conditions import where
from hive.store.records import NO_ORIGIN, Origin
from hive.store.transaction import Query


@frozen
class AuditEntry:
    """One decision, or one that was refused.

    Attributes:
        at: Wall time in seconds.
        verb: What was done or tried.
        done: Whether it was done; refused otherwise.
        subject: The participant that it is about; empty if it names none.
        actor: Who did it: `operator`, `system`, or a participant.
        origin: The socket and the process at its other end.
        approval: The approval that was decided.
        sha: The commit that was decided about.
        reason: The reason that was given, or why it was refused.
        seq: Its place in the order; 0 before it is stored.
    """

    at: float
    verb: str
    done: bool
    subject: str
    actor: str
    origin: Origin = NO_ORIGIN
    approval: int | None = None
    sha: str | None = None
    reason: str | None = None
    seq: int = 0


_ORIGIN = tuple(attribute.name for attribute in fields(Origin))
_COLUMNS = ("at", "verb", "outcome", "subject", "actor", "approval", "sha", "reason", *_ORIGIN)
_INSERT = (
    f"INSERT INTO audit ({', '.join(_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_SELECT = f"SELECT seq, {', '.join(_COLUMNS)} FROM audit"  # noqa: S608 - own column names


def append(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    """Append an entry."""
    origin = [getattr(entry.origin, name) for name in _ORIGIN]
    connection.execute(
        _INSERT,
        (
            *(entry.at, entry.verb, "done" if entry.done else "refused", entry.subject),
            *(entry.actor, entry.approval, entry.sha, entry.reason, *origin),
        ),
    )


def newest(
    count: int, subject: str | None = None, before: int | None = None
) -> Query[list[AuditEntry]]:
    """Read the newest entries, of one participant or of all, before a `seq`, oldest first."""
    clause, values = where(("subject = ?", subject), ("seq < ?", before))

    def query(connection: sqlite3.Connection) -> list[AuditEntry]:
        rows = connection.execute(f"{_SELECT}{clause} ORDER BY seq DESC LIMIT ?", (*values, count))
        return [_record(row) for row in rows][::-1]

    return query


def _record(row: tuple[Any, ...]) -> AuditEntry:
    values = dict(zip(("seq", *_COLUMNS), row, strict=True))
    origin = Origin(**{name: values.pop(name) for name in _ORIGIN})
    return AuditEntry(done=values.pop("outcome") == "done", origin=origin, **values)
