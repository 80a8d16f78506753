"""Dead letters: messages that were given up; the operator replays or discards them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from hive.store import receipts
from hive.store.listing import Cut, listed, listed_cut
from hive.store.messages import COLUMNS, message_from_row
from hive.store.records import Message, Receipt, Step
from hive.store.schema import SENT_BY, STATES
from hive.store.transaction import Op, Query

_DEAD, _EXPIRED = STATES.index("dead"), STATES.index("expired")


@frozen
class DeadLetterCriteria:
    """Conditions on dead letters, all of which must hold; None is no condition.

    Attributes:
        ids: Their ids.
        inbox: Name of their inbox.
        sender: Name of their sender.
        before: Wall time in seconds before which they were given up.
    """

    ids: tuple[int, ...] | None = None
    inbox: str | None = None
    sender: str | None = None
    before: float | None = None

    @property
    def is_everything(self) -> bool:
        """Whether there is no condition."""
        return self == DeadLetterCriteria()

    def condition(self) -> tuple[str, list[Any]]:
        """Return the condition on `mail`, which uses the partial index, and its parameters."""
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


def newest(
    criteria: DeadLetterCriteria, count: int, before: int | None = None
) -> Query[Sequence[Message]]:
    """Read the newest matching dead letters before an id with their bodies, oldest first.

    Raises:
        TooLargeError: From the query: their bodies are too large for one list.
    """
    condition, values = criteria.condition()
    if before is not None:
        condition += " AND id < ?"
        values.append(before)

    def query(connection: sqlite3.Connection) -> Sequence[Message]:
        choice = f"SELECT id FROM mail WHERE {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return listed(connection, choice, (*values, count))

    return query


def newest_heads(count: int) -> Query[Sequence[Cut]]:
    """Read the newest dead letters without their bodies, oldest first."""
    choice = f"SELECT id FROM mail WHERE state = {_DEAD} ORDER BY id DESC LIMIT ?"  # noqa: S608
    return lambda connection: listed_cut(connection, choice, (count,), 0)


def numbers(connection: sqlite3.Connection) -> list[int]:
    """Read the ids of all dead letters."""
    rows = connection.execute(f"SELECT id FROM mail WHERE state = {_DEAD}")  # noqa: S608 - own words
    return [number for (number,) in rows]


def replay(criteria: DeadLetterCriteria, now: float) -> Op[Sequence[Message]]:
    """Store these dead letters again without attempts; the value is the messages."""

    def op(connection: sqlite3.Connection) -> Sequence[Message]:
        found = _select(connection, criteria)
        _record_receipts(
            connection, found, [Receipt(each.id, now, Step.REPLAYED) for each in found]
        )
        connection.executemany(
            "UPDATE mail SET state = 0, attempts = 0, not_before = NULL, "
            "expires_at = NULL, leased_at = NULL, in_turn_at = NULL, ended_at = NULL, "
            "reason = NULL WHERE id = ?",
            [(each.id,) for each in found],
        )
        return [_read(connection, each.id) for each in found]

    return op


def discard(criteria: DeadLetterCriteria, now: float, why: str) -> Op[Sequence[int]]:
    """Make these dead letters expired, subject to retention; the value is their ids."""

    def op(connection: sqlite3.Connection) -> Sequence[int]:
        found = _select(connection, criteria)
        _record_receipts(connection, found, ())
        connection.executemany(
            f"UPDATE mail SET state = {_EXPIRED}, leased_at = NULL, in_turn_at = NULL, "  # noqa: S608 - own words
            "ended_at = ?, reason = ? WHERE id = ?",
            [(now, why, each.id) for each in found],
        )
        return [each.id for each in found]

    return op


def _select(connection: sqlite3.Connection, criteria: DeadLetterCriteria) -> list[Message]:
    condition, values = criteria.condition()
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM messages "  # noqa: S608 - own words
        f"WHERE id IN (SELECT id FROM mail WHERE {condition}) ORDER BY id",
        values,
    )
    return [message_from_row(row) for row in rows.fetchall()]


def _read(connection: sqlite3.Connection, number: int) -> Message:
    row = connection.execute(
        f"SELECT {COLUMNS} FROM messages WHERE id = ?",  # noqa: S608 - own column names
        (number,),
    ).fetchone()
    message = message_from_row(row)
    message.body = None  # read when it is delivered
    return message


def _record_receipts(
    connection: sqlite3.Connection, found: Sequence[Message], further: Sequence[Receipt]
) -> None:
    """Write receipts of the steps that the rows are about to lose."""
    recorded = [step for each in found for step in (*receipts.delivery(each), *receipts.end(each))]
    receipts.append(connection, (*recorded, *further))
