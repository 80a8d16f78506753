"""Turns of agents: what each was about, how long it took, what it cost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, fields, frozen

from hive.store.unit import Op, Query
from hive.wire.words import TurnOutcome


@frozen
class TurnRecord:
    """One finished turn. Times are wall seconds, as the harness tells them.

    Attributes:
        name: Whose turn it was.
        wake: What began it.
        messages: Ids of the messages that it was about.
        cost_usd: Cost in US dollars, as far as it is known.
        tools: How often each tool was called.
        note: What else there is to say, for instance why it failed.
        id: Number of the record; 0 while it has none.
    """

    name: str
    started_at: float
    ended_at: float
    wake: str
    outcome: TurnOutcome
    model: str | None = None
    messages: Sequence[int] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None
    tools: Mapping[str, int] = field(factory=dict)
    note: str | None = None
    id: int = 0


_COLUMNS = tuple(attribute.name for attribute in fields(TurnRecord) if attribute.name != "id")

_KEPT = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)

_SAVE = (
    f"INSERT INTO turns ({', '.join(_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (name, started_at) DO UPDATE SET {_KEPT}"
)


def save(record: TurnRecord) -> Op[None]:
    """Write a turn; one of the same participant with the same start is written again."""
    values = {name: getattr(record, name) for name in _COLUMNS}
    values["messages"] = json.dumps(list(record.messages))
    values["tools"] = json.dumps(dict(record.tools))

    def op(connection: sqlite3.Connection) -> None:
        connection.execute(_SAVE, tuple(values.values()))

    return op


def newest(name: str, count: int) -> Query[list[TurnRecord]]:
    """Read the newest turns of a participant, oldest first."""

    def query(connection: sqlite3.Connection) -> list[TurnRecord]:
        rows = connection.execute(
            f"SELECT {', '.join(_COLUMNS)}, id FROM turns "  # noqa: S608 - own column names
            "WHERE name = ? ORDER BY started_at DESC LIMIT ?",
            (name, count),
        ).fetchall()
        return [_record(row) for row in reversed(rows)]

    return query


def _record(row: tuple[Any, ...]) -> TurnRecord:
    values = dict(zip((*_COLUMNS, "id"), row, strict=True))
    values["outcome"] = TurnOutcome(values["outcome"])
    values["messages"] = tuple(json.loads(values["messages"]))
    values["tools"] = json.loads(values["tools"])
    return TurnRecord(**values)
