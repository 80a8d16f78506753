"""Usage of agents: the turns that they ran, and the usage limits of their accounts."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from attrs import frozen

from hive.store.transaction import Op, Query
from hive.wire.enums import TurnOutcome
from hive.wire.harness import TurnRecord

_TURN_FIELDS = tuple(name for name in TurnRecord.__struct_fields__ if name != "req")

_TURN_COLUMNS = ("name", *_TURN_FIELDS)

_TURN_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in _TURN_COLUMNS)

_SAVE_TURN = (
    f"INSERT INTO turns ({', '.join(_TURN_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_TURN_COLUMNS))}) "
    f"ON CONFLICT (name, started_at) DO UPDATE SET {_TURN_UPDATES}"
)


@frozen
class Limit:
    """A usage limit of an account. Times are wall seconds.

    Attributes:
        account: An opaque fingerprint of the credential.
        until: When the account can be used again.
        since: When the limit was reported.
        reason: The reason, in words.
        reported_by: Participant whose harness reported it.
    """

    account: str
    until: float
    since: float
    reason: str
    reported_by: str


def save_turn(name: str, record: TurnRecord) -> Op[None]:
    """Write a turn of a participant; one with the same start is replaced."""
    values = {field: getattr(record, field) for field in _TURN_FIELDS}
    values["messages"] = json.dumps(record.messages)
    values["tools"] = json.dumps(record.tools)

    def op(connection: sqlite3.Connection) -> None:
        connection.execute(_SAVE_TURN, (name, *values.values()))

    return op


def newest_turns(name: str, count: int) -> Query[dict[int, TurnRecord]]:
    """Read the newest turns of a participant by their numbers, oldest first."""

    def query(connection: sqlite3.Connection) -> dict[int, TurnRecord]:
        rows = connection.execute(
            f"SELECT id, {', '.join(_TURN_FIELDS)} FROM turns "  # noqa: S608 - own column names
            "WHERE name = ? ORDER BY started_at DESC LIMIT ?",
            (name, count),
        ).fetchall()
        return {number: _turn(row) for number, *row in reversed(rows)}

    return query


def _turn(row: list[Any]) -> TurnRecord:
    values = dict(zip(_TURN_FIELDS, row, strict=True))
    values["outcome"] = TurnOutcome(values["outcome"])
    values["messages"] = tuple(json.loads(values["messages"]))
    values["tools"] = json.loads(values["tools"])
    return TurnRecord(**values)


def save_limit(limit: Limit, *, ended: float) -> Op[None]:
    """Insert or replace the limit of an account; delete those that ended before `ended`."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM limits WHERE until < ?", (ended,))
        connection.execute(
            "INSERT OR REPLACE INTO limits (account, until, since, reason, reported_by) "
            "VALUES (?, ?, ?, ?, ?)",
            (limit.account, limit.until, limit.since, limit.reason, limit.reported_by),
        )

    return op


def delete_limit(account: str) -> Op[None]:
    """Delete the limit of an account."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM limits WHERE account = ?", (account,))

    return op


def all_limits(connection: sqlite3.Connection) -> list[Limit]:
    """Read every limit, also those that are over."""
    rows = connection.execute(
        "SELECT account, until, since, reason, reported_by FROM limits ORDER BY account"
    )
    return [Limit(*row) for row in rows]
