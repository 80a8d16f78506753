"""Questions: their states, and writes and reads of their table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from attrs import define, fields

from hive.errors import TooLargeError
from hive.quantities import counted
from hive.store.records import LIST_BYTES
from hive.store.transaction import Query
from hive.wire.enums import OnExpiry

T = TypeVar("T")


class QuestionState(StrEnum):
    """State of a question. The last three are final."""

    OPEN = "open"
    HELD = "held"
    ESCALATED = "escalated"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@define(eq=False)
class Question:
    """One question. Times are wall seconds.

    Until it ends, the broker has it in memory and is the only one to change it.

    Attributes:
        id: Id of the message that carries it.
        asker: Participant that asked.
        target: Participant that is to answer.
        text: The question.
        options: Proposed answers.
        multi: Whether several of them may be chosen.
        on_expiry: What happens at `expires_at`.
        asked_at: When it was asked.
        expires_at: When it expires; None for never.
        ended_at: When it was answered, expired or cancelled.
        ended_by: Participant that answered or cancelled it.
        answer: The answer.
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

_OPEN = "ended_at IS NULL"


def row_of(question: Question) -> tuple[Any, ...]:
    """Return the row of a question in its current state."""
    values = {name: getattr(question, name) for name in _COLUMNS}
    values["options"] = json.dumps(question.options)
    return tuple(values.values())


def save(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert or replace rows of questions."""
    connection.executemany(_SAVE, rows)


def open_questions(connection: sqlite3.Connection) -> list[Question]:
    """Read every question that has not ended, in the order of ids."""
    return _records(connection.execute(f"{_SELECT} WHERE {_OPEN} ORDER BY id"))


def of_participant(name: str) -> Query[list[Question]]:
    """Read the open questions that a participant asked or is to answer, in the order of ids."""

    def query(connection: sqlite3.Connection) -> list[Question]:
        statement = f"{_SELECT} WHERE {_OPEN} AND ? IN (asker, target) ORDER BY id"
        return _records(connection.execute(statement, (name,)))

    return query


def newest(count: int) -> Query[list[Question]]:
    """Read the newest questions, in any state, oldest first.

    Raises:
        TooLargeError: From the query: their texts have more than `LIST_BYTES`.
    """
    statement = f"{_SELECT} ORDER BY id DESC LIMIT ?"
    return lambda connection: _listed(connection.execute(statement, (count,)))[::-1]


def oldest_open(count: int) -> Query[list[Question]]:
    """Read the oldest questions that have not ended, in the order of ids.

    Raises:
        TooLargeError: From the query: their texts have more than `LIST_BYTES`.
    """
    statement = f"{_SELECT} WHERE {_OPEN} ORDER BY id LIMIT ?"
    return lambda connection: _listed(connection.execute(statement, (count,)))


def one(number: int) -> Query[Question | None]:
    """Read one question in any state; None if there is none."""

    def query(connection: sqlite3.Connection) -> Question | None:
        found = _records(connection.execute(f"{_SELECT} WHERE id = ?", (number,)))
        return found[0] if found else None

    return query


def _listed(rows: Iterable[tuple[Any, ...]]) -> list[Question]:
    """Return the questions of rows, which are read one by one until they are too large."""
    found: list[Question] = []
    size = 0
    for question in map(_record, rows):
        size += len(question.text.encode()) + len((question.answer or "").encode())
        if size > LIST_BYTES and found:
            raise TooLargeError(
                f"the first {len(found) + 1} of these questions have {counted(size, 'byte')}, one "
                f"answer has at most {LIST_BYTES}; ask for at most {len(found)}"
            )
        found.append(question)
    return found


def _records(rows: Iterable[tuple[Any, ...]]) -> list[Question]:
    return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> Question:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["options"] = tuple(json.loads(values["options"]))
    values["multi"] = bool(values["multi"])
    values["on_expiry"] = OnExpiry(values["on_expiry"])
    values["state"] = QuestionState(values["state"])
    return Question(**values)
