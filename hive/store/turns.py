"""Turns of agents: what each was about, how long it took, what it cost."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from hive.store.unit import Op, Query
from hive.wire.enums import TurnOutcome
from hive.wire.harness import TurnRecord

_FIELDS = tuple(name for name in TurnRecord.__struct_fields__ if name != "req")

_COLUMNS = ("name", *_FIELDS)

_KEPT = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)

_SAVE = (
    f"INSERT INTO turns ({', '.join(_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (name, started_at) DO UPDATE SET {_KEPT}"
)


def save(name: str, record: TurnRecord) -> Op[None]:
    """Write a turn of a participant; one with the same start is written again."""
    values = {field: getattr(record, field) for field in _FIELDS}
    values["messages"] = json.dumps(record.messages)
    values["tools"] = json.dumps(record.tools)

    def op(connection: sqlite3.Connection) -> None:
        connection.execute(_SAVE, (name, *values.values()))

    return op


def newest(name: str, count: int) -> Query[dict[int, TurnRecord]]:
    """Read the newest turns of a participant by their numbers, oldest first."""

    def query(connection: sqlite3.Connection) -> dict[int, TurnRecord]:
        rows = connection.execute(
            f"SELECT id, {', '.join(_FIELDS)} FROM turns "  # noqa: S608 - own column names
            "WHERE name = ? ORDER BY started_at DESC LIMIT ?",
            (name, count),
        ).fetchall()
        return {number: _record(row) for number, *row in reversed(rows)}

    return query


def _record(row: list[Any]) -> TurnRecord:
    values = dict(zip(_FIELDS, row, strict=True))
    values["outcome"] = TurnOutcome(values["outcome"])
    values["messages"] = tuple(json.loads(values["messages"]))
    values["tools"] = json.loads(values["tools"])
    return TurnRecord(**values)
