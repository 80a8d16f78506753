"""Lists of messages with their bodies: limited in bytes, and read with cut bodies on request.

The bodies of a list are in memory together, as rows and as the line of an answer, in which a
character may take six bytes. So their sizes are added up before they are read, and a list that is
too large is refused with the number of messages that fit. Where bodies are cut, each is cut as it
is read, on the thread of the read. SQLite cannot do that: its `substr` and `length` end at a NUL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from hive.errors import TooLargeError
from hive.quantities import counted
from hive.store.bulk import Row
from hive.store.messages import COLUMNS, message_from_row
from hive.store.records import LIST_BYTES, Kind, Message
from hive.store.schema import OPEN
from hive.store.transaction import Query

CHUNK_BYTES = 1 << 20
"""Bytes of the bodies of one chunk of a list that is read in chunks, unless the first has more."""

CHUNK_ROWS = 200
"""Most rows of one chunk, and most that one read examines."""

Cut = tuple[Message, int]
"""A message whose body may be cut, and the characters that the body has on disk."""

_INBOX = "inbox = (SELECT id FROM inboxes WHERE name = ?)"


def listed(
    connection: sqlite3.Connection, choice: str, values: Sequence[Any]
) -> tuple[Message, ...]:
    """Read the messages whose ids a statement selects, oldest first.

    Args:
        connection: The connection.
        choice: A `SELECT` of ids in `mail`, best first.
        values: Its parameters.

    Raises:
        TooLargeError: Their bodies have more than `LIST_BYTES`; not so for a single message.
    """
    return tuple(message for message, _ in listed_cut(connection, choice, values, None))


def listed_cut(
    connection: sqlite3.Connection, choice: str, values: Sequence[Any], body_max: int | None
) -> tuple[Cut, ...]:
    """Read the messages whose ids a statement selects, oldest first, with cut bodies.

    Args:
        connection: The connection.
        choice: A `SELECT` of ids in `mail`, best first.
        values: Its parameters.
        body_max: Characters after which bodies are cut; None for whole bodies.

    Raises:
        TooLargeError: What is read of their bodies has more than `LIST_BYTES`.
    """
    _require_room(connection, choice, values, body_max)
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM messages WHERE id IN ({choice}) ORDER BY id",  # noqa: S608
        values,
    )
    return tuple(_cut(message_from_row(row), body_max) for row in _one_by_one(rows))


def newest(
    inbox: str, count: int, *, unread: bool = False, body_max: int | None = None
) -> Query[tuple[Cut, ...]]:
    """Read the newest messages of an inbox, oldest first; with `unread`, those that have not ended.

    Raises:
        TooLargeError: From the query, as from `listed_cut`.
    """
    condition = f"AND {OPEN}" if unread else ""
    choice = f"SELECT id FROM mail WHERE {_INBOX} {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608
    return lambda connection: listed_cut(connection, choice, (inbox, count), body_max)


def deliverable(
    inbox: str, count: int, now: float, body_max: int | None = None
) -> Query[tuple[Cut, ...]]:
    """Read the messages that can be leased at the wall time `now`, oldest first.

    If there are more than `count`, those of the operator are read first, then those of the highest
    priority, then the newest. SQLite sorts only as many as that, without their bodies.

    Raises:
        TooLargeError: From the query, as from `listed_cut`.
    """
    choice = (
        "SELECT mail.id FROM mail JOIN sessions ON sessions.id = mail.sender "  # noqa: S608
        f"WHERE {_INBOX} AND {OPEN} AND state = 0 AND (not_before IS NULL OR not_before <= ?) "
        "ORDER BY sessions.kind = ? DESC, priority, mail.id DESC LIMIT ?"
    )
    values = (inbox, now, Kind.OPERATOR.value, count)
    return lambda connection: listed_cut(connection, choice, values, body_max)


def newest_in_chunks(inbox: str, count: int) -> Query[list[list[int]]]:
    """Read the ids of the newest messages of an inbox, oldest first, in chunks."""

    def query(connection: sqlite3.Connection) -> list[list[int]]:
        sizes = connection.execute(
            f"SELECT id, size FROM mail WHERE {_INBOX} ORDER BY id DESC LIMIT ?",  # noqa: S608
            (inbox, count),
        ).fetchall()
        return list(chunks(sizes[::-1]))

    return query


def with_bodies(ids: Sequence[int]) -> Query[tuple[Message, ...]]:
    """Read messages with their bodies, in any state, in the order of ids; `ids` are a chunk."""

    def query(connection: sqlite3.Connection) -> tuple[Message, ...]:
        places = ", ".join("?" * len(ids))
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id IN ({places}) ORDER BY id",  # noqa: S608
            ids,
        )
        return tuple(map(message_from_row, rows))

    return query


def chunks(sizes: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Split ids, each with the bytes of its body, into chunks of at most `CHUNK_BYTES`."""
    chunk: list[int] = []
    size = 0
    for number, bytes_ in sizes:
        if chunk and (size + bytes_ > CHUNK_BYTES or len(chunk) == CHUNK_ROWS):
            yield chunk
            chunk, size = [], 0
        chunk.append(number)
        size += bytes_
    if chunk:
        yield chunk


def _require_room(
    connection: sqlite3.Connection, choice: str, values: Sequence[Any], body_max: int | None
) -> None:
    sizes = connection.execute(
        f"SELECT size FROM mail WHERE id IN ({choice}) ORDER BY id DESC",  # noqa: S608
        values,
    ).fetchall()
    total = fitting = 0
    for (size,) in sizes:
        # A character has at most four bytes.
        total += size if body_max is None else min(size, 4 * body_max)
        fitting += total <= LIST_BYTES
    if total > LIST_BYTES and len(sizes) > 1:
        raise TooLargeError(
            f"the bodies of these {counted(len(sizes), 'message')} have {counted(total, 'byte')}, "
            f"one answer has at most {LIST_BYTES}; ask for at most {max(fitting, 1)}"
        )


def _one_by_one(cursor: sqlite3.Cursor) -> Iterator[Row]:
    while (row := cursor.fetchone()) is not None:
        yield row


def _cut(message: Message, body_max: int | None) -> Cut:
    body = message.body or ""
    if body_max is not None and len(body) > body_max:
        message.body = body[:body_max]
    return message, len(body)
