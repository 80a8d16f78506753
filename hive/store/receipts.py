"""Receipts and traces: the steps of a message's life, partly receipts, partly its own row.

The row of a message holds when it was stored, its latest delivery, and its end. A step becomes a
receipt when the row is about to be overwritten. So nothing is stored twice, and a message that is
delivered once and acked has no receipt.

A message that returns again and again keeps its first and its newest receipts. One row in their
middle, `omitted`, has the number of the others in place of an attempt.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from hive.quantities import counted
from hive.store.records import Message, MessageState, Receipt, Step
from hive.store.transaction import Query

_INSERT = (
    "INSERT INTO receipts (message, at, step, attempt, session, reason) VALUES (?, ?, ?, ?, ?, ?)"
)

FIRST_KEPT, LAST_KEPT = 10, 40
"""Receipts of one message that are kept and shown: the first ones, and the newest ones."""

TRIM_EVERY = 8
"""Deliveries of a message after which its receipts are trimmed."""

_OMITTED = f"sum(iif(step = '{Step.OMITTED.value}', attempt, 1))"

_ENDS = {
    MessageState.ACKED: Step.ACKED,
    MessageState.EXPIRED: Step.EXPIRED,
    MessageState.DEAD: Step.DEAD,
}


def append(connection: sqlite3.Connection, receipts: Iterable[Receipt]) -> None:
    """Write steps, in order."""
    connection.executemany(
        _INSERT,
        [
            (each.message, each.at, each.step.value, each.attempt, each.session, each.reason)
            for each in receipts
        ],
    )


def of(number: int) -> Query[Sequence[Receipt]]:
    """Read the receipts of one message, in order; the middle ones of many are one step."""

    def query(connection: sqlite3.Connection) -> Sequence[Receipt]:
        first, last = _ends_of_middle(connection, number)
        rows = connection.execute(
            "SELECT message, at, step, attempt, session, reason, name FROM receipts "
            "LEFT JOIN sessions ON sessions.id = session "
            "WHERE message = ? AND (receipts.id <= ? OR receipts.id >= ?) ORDER BY receipts.id",
            (number, first, last),
        )
        found = [Receipt(row[0], row[1], Step(row[2]), *row[3:]) for row in rows]
        count, _, at = _middle(connection, number, first, last)
        if count:
            reason = f"{counted(count, 'step')} left out"
            found.insert(FIRST_KEPT, Receipt(number, at, Step.OMITTED, reason=reason))
        return found

    return query


def trim(connection: sqlite3.Connection, messages: Iterable[int]) -> None:
    """Replace the middle receipts of each message by one row with their number."""
    for number in messages:
        first, last = _ends_of_middle(connection, number)
        count, rows, at = _middle(connection, number, first, last)
        if rows > 1:
            [[place]] = connection.execute(
                "SELECT min(id) FROM receipts WHERE message = ? AND id > ?", (number, first)
            )
            connection.execute(
                "DELETE FROM receipts WHERE message = ? AND id > ? AND id < ?",
                (number, first, last),
            )
            connection.execute(
                "INSERT INTO receipts (id, message, at, step, attempt, session) "
                "VALUES (?, ?, ?, ?, ?, 0)",
                (place, number, at, Step.OMITTED.value, count),
            )


def _ends_of_middle(connection: sqlite3.Connection, number: int) -> tuple[int, int]:
    """Return the ids of the last of the first receipts, and of the first of the newest."""
    [[first]] = connection.execute(
        "SELECT max(id) FROM (SELECT id FROM receipts WHERE message = ? ORDER BY id LIMIT ?)",
        (number, FIRST_KEPT),
    )
    first = first or 0
    [[last]] = connection.execute(
        "SELECT min(id) FROM "
        "(SELECT id FROM receipts WHERE message = ? AND id > ? ORDER BY id DESC LIMIT ?)",
        (number, first, LAST_KEPT),
    )
    return first, last or first + 1


def _middle(
    connection: sqlite3.Connection, number: int, first: int, last: int
) -> tuple[int, int, float]:
    """Return the number of steps between two receipts, the number of rows, the first time."""
    [[count, rows, at]] = connection.execute(
        f"SELECT {_OMITTED}, count(*), min(at) FROM receipts "  # noqa: S608 - own words
        "WHERE message = ? AND id > ? AND id < ?",
        (number, first, last),
    )
    return count or 0, rows, at or 0.0


def delivery(message: Message) -> list[Receipt]:
    """Return the steps of the latest delivery of a message, from its row."""
    found = []
    for step, at in ((Step.LEASED, message.leased_at), (Step.IN_TURN, message.in_turn_at)):
        if at is not None:
            found.append(_in_session(message, at, step))
    return found


def end(message: Message) -> list[Receipt]:
    """Return the last step of a message, from its row; empty if it has not ended."""
    if message.state not in _ENDS or message.ended_at is None:
        return []
    step = _ENDS[message.state]
    if message.leased_at is not None:
        return [_in_session(message, message.ended_at, step, message.reason)]
    return [Receipt(message.id, message.ended_at, step, message.attempts, reason=message.reason)]


def trace(message: Message, written: Sequence[Receipt]) -> list[Receipt]:
    """Return all steps of a message, in order, from its row and its receipts."""
    stored = [Receipt(message.id, message.sent_at, Step.STORED)]
    if message.state is MessageState.PARKED:
        stored.append(Receipt(message.id, message.sent_at, Step.PARKED, reason=message.reason))
    return [*stored, *written, *delivery(message), *end(message)]


def _in_session(message: Message, at: float, step: Step, reason: str | None = None) -> Receipt:
    return Receipt(message.id, at, step, message.attempts, message.session, reason, message.holder)
