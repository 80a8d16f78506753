"""Events: writes and reads of the events table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

from attrs import frozen

from hive.store.records import EventRecord
from hive.store.transaction import Op, Query


@frozen
class EventFilter:
    """Conditions of events, all of which must hold; None is no condition.

    Attributes:
        kinds: Their kinds.
        name: The participant that they are about.
        since: Wall time of the earliest.
        until: Wall time before which all happened.
        before: The `seq` before which all are.
    """

    kinds: tuple[str, ...] | None = None
    name: str | None = None
    since: float | None = None
    until: float | None = None
    before: int | None = None

    def where(self) -> tuple[str, list[Any]]:
        """Return the conditions as SQL that follows another condition, with their values."""
        parts: list[str] = []
        values: list[Any] = []
        if self.kinds is not None:
            parts.append(f"event IN ({', '.join('?' * len(self.kinds))})")
            values += self.kinds
        if self.name is not None:
            parts.append("name = ?")
            values.append(self.name)
        if self.since is not None:
            parts.append("at >= ?")
            values.append(self.since)
        if self.until is not None:
            parts.append("at < ?")
            values.append(self.until)
        if self.before is not None:
            parts.append("seq < ?")
            values.append(self.before)
        return "".join(f" AND {part}" for part in parts), values


ALL_EVENTS = EventFilter()


def append(at: float, event: str, name: str | None, detail: Mapping[str, Any]) -> Op[int]:
    """Append one event; the value is its `seq`.

    Raises:
        TypeError: At once, if the detail is not JSON.
    """
    values = (at, event, name, json.dumps(dict(detail)))

    def op(connection: sqlite3.Connection) -> int:
        cursor = connection.execute(
            "INSERT INTO events (at, event, name, detail) VALUES (?, ?, ?, ?)", values
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    return op


def newest(
    after: int, count: int, only: EventFilter = ALL_EVENTS
) -> Query[tuple[EventRecord, ...]]:
    """Read the newest `count` events with a `seq` above `after`, oldest first."""
    where, values = only.where()

    def query(connection: sqlite3.Connection) -> tuple[EventRecord, ...]:
        rows = connection.execute(
            "SELECT seq, at, event, name, detail FROM events "  # noqa: S608 - own conditions
            f"WHERE seq > ?{where} ORDER BY seq DESC LIMIT ?",
            (after, *values, count),
        ).fetchall()
        return tuple(map(_record, reversed(rows)))

    return query


def newest_by_name(kinds: Collection[str]) -> Query[tuple[EventRecord, ...]]:
    """Read the newest event of these kinds of each participant.

    It scans the table, so it is only for the start of the daemon.
    """
    placeholders = ", ".join("?" * len(kinds))
    statement = (
        "SELECT max(seq), at, event, name, detail FROM events "  # noqa: S608 - only placeholders
        f"WHERE name IS NOT NULL AND event IN ({placeholders}) GROUP BY name ORDER BY name"
    )

    def query(connection: sqlite3.Connection) -> tuple[EventRecord, ...]:
        return tuple(map(_record, connection.execute(statement, list(map(str, kinds)))))

    return query


def following(
    after: int, count: int, only: EventFilter = ALL_EVENTS
) -> Query[tuple[EventRecord, ...]]:
    """Read the first `count` events with a `seq` above `after`, in order."""
    where, values = only.where()

    def query(connection: sqlite3.Connection) -> tuple[EventRecord, ...]:
        rows = connection.execute(
            "SELECT seq, at, event, name, detail FROM events "  # noqa: S608 - own conditions
            f"WHERE seq > ?{where} ORDER BY seq LIMIT ?",
            (after, *values, count),
        ).fetchall()
        return tuple(map(_record, rows))

    return query


def last_seq(connection: sqlite3.Connection) -> int:
    """Return the number of the newest event, 0 without any."""
    found = connection.execute("SELECT seq FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    return int(found[0]) if found else 0


def seq_before(at: float) -> Query[int]:
    """Read the number of the last event before a wall time; 0 if there is none.

    It looks at the events since then only.
    """

    def query(connection: sqlite3.Connection) -> int:
        found = connection.execute(
            "SELECT seq FROM events WHERE at < ? ORDER BY seq DESC LIMIT 1", (at,)
        ).fetchone()
        return int(found[0]) if found else 0

    return query


def _record(row: tuple[Any, ...]) -> EventRecord:
    seq, at, event, name, detail = row
    return EventRecord(seq, at, event, name, json.loads(detail))
