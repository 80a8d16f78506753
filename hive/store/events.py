"""Events: writes and reads of the events table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

from hive.store.records import EventRecord
from hive.store.transaction import Op, Query


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


def newest(after: int, count: int) -> Query[tuple[EventRecord, ...]]:
    """Read the newest `count` events with a `seq` above `after`, oldest first."""

    def query(connection: sqlite3.Connection) -> tuple[EventRecord, ...]:
        rows = connection.execute(
            "SELECT seq, at, event, name, detail FROM events "
            "WHERE seq > ? ORDER BY seq DESC LIMIT ?",
            (after, count),
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


def following(after: int, count: int) -> Query[tuple[EventRecord, ...]]:
    """Read the first `count` events with a `seq` above `after`, in order."""

    def query(connection: sqlite3.Connection) -> tuple[EventRecord, ...]:
        rows = connection.execute(
            "SELECT seq, at, event, name, detail FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
            (after, count),
        ).fetchall()
        return tuple(map(_record, rows))

    return query


def _record(row: tuple[Any, ...]) -> EventRecord:
    seq, at, event, name, detail = row
    return EventRecord(seq, at, event, name, json.loads(detail))
