"""Dead letters: messages that were given up, until the operator replays or discards them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from hive.store import receipts
from hive.store.messages import COLUMNS, whole
from hive.store.records import Message, Receipt, Step
from hive.store.schema import SENT_BY, STATES
from hive.store.unit import Op, Query

_DEAD, _EXPIRED = STATES.index("dead"), STATES.index("expired")


@frozen
class DeadLetters:
    """Which dead letters; what is None does not narrow the choice.

    Attributes:
        ids: These.
        inbox: Those of this inbox.
        sender: Those of this sender.
        before: Those that were given up before this wall time.
    """

    ids: tuple[int, ...] | None = None
    inbox: str | None = None
    sender: str | None = None
    before: float | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows the choice."""
        return self == DeadLetters()

    def condition(self) -> tuple[str, list[Any]]:
        """Return the condition on `mail`, which the partial index serves, and its parameters."""
        parts = [f"state = {_DEAD}"]
        values: list[Any] = []
        if self.ids is not None:
            parts.append(f"id IN ({', '.join('?' * len(self.ids))})")
            values += self.ids
        for test, value in (
            ("inbox = (SELECT id FROM inboxes WHERE name = ?)", self.inbox),
            (SENT_BY, self.sender),
            ("ended_at < ?", self.before),
        ):
            if value is not None:
                parts.append(test)
                values.append(value)
        return " AND ".join(parts), values


def newest(chosen: DeadLetters, count: int) -> Query[Sequence[Message]]:
    """Read the newest of these dead letters with their bodies, oldest first."""
    condition, values = chosen.condition()

    def query(connection: sqlite3.Connection) -> Sequence[Message]:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id IN (SELECT id FROM mail "  # noqa: S608
            f"WHERE {condition} ORDER BY id DESC LIMIT ?) ORDER BY id",
            (*values, count),
        )
        return [whole(row) for row in rows]

    return query


def replay(chosen: DeadLetters, now: float) -> Op[Sequence[Message]]:
    """Store these dead letters anew, as if they had never been tried; the value is all of them."""

    def op(connection: sqlite3.Connection) -> Sequence[Message]:
        found = _take(connection, chosen)
        _note(connection, found, [Receipt(each.id, now, Step.REPLAYED) for each in found])
        connection.executemany(
            "UPDATE mail SET state = 0, attempts = 0, not_before = NULL, "
            "expires_at = NULL, leased_at = NULL, in_turn_at = NULL, ended_at = NULL, "
            "reason = NULL WHERE id = ?",
            [(each.id,) for each in found],
        )
        return [_read(connection, each.id) for each in found]

    return op


def discard(chosen: DeadLetters, now: float) -> Op[Sequence[int]]:
    """Let these dead letters count as expired, so that retention takes them; the value is ids."""

    def op(connection: sqlite3.Connection) -> Sequence[int]:
        found = _take(connection, chosen)
        _note(connection, found, ())
        connection.executemany(
            f"UPDATE mail SET state = {_EXPIRED}, leased_at = NULL, in_turn_at = NULL, "  # noqa: S608 - own words
            "ended_at = ?, reason = 'discarded by the operator' WHERE id = ?",
            [(now, each.id) for each in found],
        )
        return [each.id for each in found]

    return op


def _take(connection: sqlite3.Connection, chosen: DeadLetters) -> list[Message]:
    condition, values = chosen.condition()
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM messages "  # noqa: S608 - own words
        f"WHERE id IN (SELECT id FROM mail WHERE {condition}) ORDER BY id",
        values,
    )
    return [whole(row) for row in rows.fetchall()]


def _read(connection: sqlite3.Connection, number: int) -> Message:
    row = connection.execute(
        f"SELECT {COLUMNS} FROM messages WHERE id = ?",  # noqa: S608 - own column names
        (number,),
    ).fetchone()
    message = whole(row)
    message.body = None  # is read from disk when it is delivered
    return message


def _note(
    connection: sqlite3.Connection, found: Sequence[Message], further: Sequence[Receipt]
) -> None:
    """Keep the steps that the rows are about to stop telling."""
    told = [step for each in found for step in (*receipts.delivery(each), *receipts.end(each))]
    receipts.append(connection, (*told, *further))
