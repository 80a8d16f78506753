"""Usage of agents: the turns that they ran, and the usage limits of their accounts."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from attrs import frozen

from hive.store.transaction import Op, Query
from hive.wire.enums import TurnOutcome
from hive.wire.harness import TurnRecord


class StoredTurn(TurnRecord, frozen=True):
    """A turn as its harness has reported it, and what the harness cannot know.

    Attributes:
        frozen_seconds: Time for which its agent was frozen between its start and its end.
    """

    frozen_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds from its start to its end in which its agent was not frozen."""
        return max(0.0, self.ended_at - self.started_at - self.frozen_seconds)


_REPORTED = tuple(name for name in TurnRecord.__struct_fields__ if name != "req")

_TURN_FIELDS = (*_REPORTED, "frozen_seconds")

_TURN_COLUMNS = ("name", *_TURN_FIELDS)

_TURN_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in _TURN_COLUMNS)

_SAVE_TURN = (
    f"INSERT INTO turns ({', '.join(_TURN_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_TURN_COLUMNS))}) "
    f"ON CONFLICT (name, started_at) DO UPDATE SET {_TURN_UPDATES}"
)


_FROZEN_SECONDS = """
    SELECT coalesce(sum(max(0.0,
        min(at, :ended_at) - max(at - json_extract(detail, '$.seconds'), :started_at))), 0.0)
    FROM events WHERE event = 'thawed' AND name = :name AND at > :started_at
"""
"""Each event of a thaw has the time for which the agent was frozen until then."""


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


@frozen
class TurnUse:
    """What one turn used.

    Attributes:
        tokens: Tokens of input and output, and those of the cache.
        cost: US dollars; None if unknown.
    """

    tokens: int
    cost: float | None

    @classmethod
    def of(cls, turn: TurnRecord) -> TurnUse:
        """Return what a turn used."""
        tokens = turn.input_tokens + turn.output_tokens
        return cls(tokens + turn.cache_read_tokens + turn.cache_write_tokens, turn.cost_usd)


def save_turn(name: str, record: TurnRecord) -> Op[StoredTurn]:
    """Write a turn of a participant, with the time for which that was frozen; return it.

    One with the same start is replaced.
    """
    reported = {field: getattr(record, field) for field in _REPORTED}
    written = {
        **reported,
        "messages": json.dumps(record.messages),
        "tools": json.dumps(record.tools),
    }
    times = {"name": name, "started_at": record.started_at, "ended_at": record.ended_at}

    def op(connection: sqlite3.Connection) -> StoredTurn:
        (seconds,) = connection.execute(_FROZEN_SECONDS, times).fetchone()
        connection.execute(_SAVE_TURN, (name, *written.values(), seconds))
        return StoredTurn(**reported, frozen_seconds=seconds)

    return op


def newest_turns(name: str, count: int) -> Query[dict[int, StoredTurn]]:
    """Read the newest turns of a participant by their numbers, oldest first."""

    def query(connection: sqlite3.Connection) -> dict[int, StoredTurn]:
        rows = connection.execute(
            f"SELECT id, {', '.join(_TURN_FIELDS)} FROM turns "  # noqa: S608 - own column names
            "WHERE name = ? ORDER BY started_at DESC LIMIT ?",
            (name, count),
        ).fetchall()
        return {number: _turn(row) for number, *row in reversed(rows)}

    return query


def turns_ended_since(begin: float) -> Query[list[tuple[str, float, TurnUse]]]:
    """Read participant, start and use of the turns that ended at a wall time or later."""
    tokens = "input_tokens + output_tokens + cache_read_tokens + cache_write_tokens"

    def query(connection: sqlite3.Connection) -> list[tuple[str, float, TurnUse]]:
        rows = connection.execute(
            f"SELECT name, started_at, {tokens}, cost_usd "  # noqa: S608 - own column names
            "FROM turns WHERE ended_at >= ? ORDER BY ended_at",
            (begin,),
        )
        return [(name, started, TurnUse(int(used), cost)) for name, started, used, cost in rows]

    return query


def _turn(row: list[Any]) -> StoredTurn:
    values = dict(zip(_TURN_FIELDS, row, strict=True))
    values["outcome"] = TurnOutcome(values["outcome"])
    values["messages"] = tuple(json.loads(values["messages"]))
    values["tools"] = json.loads(values["tools"])
    return StoredTurn(**values)


def save_limit(limit: Limit, *, ended: float, most: int) -> Op[None]:
    """Insert or replace the limit of an account.

    Those that ended before `ended` are deleted, and of those that its participant has reported, the
    oldest above `most`.
    """

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM limits WHERE until < ?", (ended,))
        connection.execute(
            "INSERT OR REPLACE INTO limits (account, until, since, reason, reported_by) "
            "VALUES (?, ?, ?, ?, ?)",
            (limit.account, limit.until, limit.since, limit.reason, limit.reported_by),
        )
        connection.execute(
            "DELETE FROM limits WHERE reported_by = ?1 AND account NOT IN (SELECT account "
            "FROM limits WHERE reported_by = ?1 ORDER BY since DESC, account LIMIT ?2)",
            (limit.reported_by, most),
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
