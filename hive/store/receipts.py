"""Receipts and traces: the steps of a message's life, partly receipts, partly its own row.

The row of a message holds when it was stored, its latest delivery, and its end. A step becomes a
receipt when the row is about to be overwritten. So nothing is stored twice, and a message that is
delivered once and acked has no receipt.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from hive.store.records import Message, MessageState, Receipt, Step
from hive.store.transaction import Query

_INSERT = (
    "INSERT INTO receipts (message, at, step, attempt, session, reason) VALUES (?, ?, ?, ?, ?, ?)"
)

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
    """Read the receipts of one message, in order."""

    def query(connection: sqlite3.Connection) -> Sequence[Receipt]:
        rows = connection.execute(
            "SELECT message, at, step, attempt, session, reason, name FROM receipts "
            "LEFT JOIN sessions ON sessions.id = session WHERE message = ? ORDER BY receipts.id",
            (number,),
        )
        return [Receipt(row[0], row[1], Step(row[2]), *row[3:]) for row in rows]

    return query


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
