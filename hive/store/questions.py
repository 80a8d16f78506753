"""Questions: what was asked of whom, and what became of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from attrs import define, fields

from hive.store.unit import Query
from hive.wire.enums import OnExpiry

T = TypeVar("T")


class QuestionState(StrEnum):
    """Where a question is in its life. The last three are ends."""

    OPEN = "open"
    HELD = "held"
    ESCALATED = "escalated"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@define(eq=False)
class Question:
    """One question. Times are wall seconds.

    While it is not at its end, the broker holds it in memory and changes it; everyone else reads.

    Attributes:
        id: Its number, which is that of the message that carries it.
        asker: Who asked.
        target: Whom it was put to.
        text: What was asked.
        options: Proposals for the answer.
        multi: Whether several of them may be chosen.
        on_expiry: What becomes of it at `expires_at`.
        expires_at: When its time is over; None for never.
        ended_at: When it was answered, expired or cancelled.
        ended_by: Who answered or cancelled it.
        answer: What was answered.
    """

    id: int
    asker: str
    target: str
    text: str
    options: tuple[str, ...]
    multi: bool
    on_expiry: OnExpiry
    asked_at: float
    expires_at: float | None = None
    state: QuestionState = QuestionState.OPEN
    ended_at: float | None = None
    ended_by: str | None = None
    answer: str | None = None


_COLUMNS = tuple(attribute.name for attribute in fields(Question))

_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM questions"  # noqa: S608 - own column names

_SAVE = (
    f"INSERT OR REPLACE INTO questions ({', '.join(_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)

OPEN = "ended_at IS NULL"


def row_of(question: Question) -> tuple[Any, ...]:
    """Return the values of a question's row, as they are now."""
    values = {name: getattr(question, name) for name in _COLUMNS}
    values["options"] = json.dumps(question.options)
    return tuple(values.values())


def save(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows of questions whole."""
    connection.executemany(_SAVE, rows)


def open_questions(connection: sqlite3.Connection) -> list[Question]:
    """Read every question that is not at its end, in the order of ids."""
    return _records(connection.execute(f"{_SELECT} WHERE {OPEN} ORDER BY id"))


def of_participant(name: str) -> Query[list[Question]]:
    """Read the open questions that a participant asked or is to answer, in the order of ids."""

    def query(connection: sqlite3.Connection) -> list[Question]:
        wanted = f"{_SELECT} WHERE {OPEN} AND ? IN (asker, target) ORDER BY id"
        return _records(connection.execute(wanted, (name,)))

    return query


def newest(count: int) -> Query[list[Question]]:
    """Read the newest questions, whatever became of them, oldest first."""

    def query(connection: sqlite3.Connection) -> list[Question]:
        found = connection.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (count,))
        return _records(found)[::-1]

    return query


def one(number: int) -> Query[Question | None]:
    """Read one question, whatever became of it."""

    def query(connection: sqlite3.Connection) -> Question | None:
        found = _records(connection.execute(f"{_SELECT} WHERE id = ?", (number,)))
        return found[0] if found else None

    return query


def _records(rows: Iterable[tuple[Any, ...]]) -> list[Question]:
    return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> Question:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["options"] = tuple(json.loads(values["options"]))
    values["multi"] = bool(values["multi"])
    values["on_expiry"] = OnExpiry(values["on_expiry"])
    values["state"] = QuestionState(values["state"])
    return Question(**values)
