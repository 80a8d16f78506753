"""Cursors: positions in mail and events to read on from; one behind the retention is refused.

A cursor is the number of the last row that a reader has seen. Retention marks the highest number
that it deleted. A reader whose cursor is below that mark may have missed rows and gets an error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Generic, TypeVar

from attrs import frozen

from hive.errors import CursorTooOldError
from hive.store import events
from hive.store.messages import COLUMNS, message_from_row
from hive.store.records import EventRecord, Message
from hive.store.retention import EVENTS_GONE, MESSAGES_GONE
from hive.store.transaction import Query

T = TypeVar("T")

CHUNK_ROWS = 200
"""Most rows that one read examines."""


@frozen
class Chunk(Generic[T]):
    """Rows after a cursor, in order.

    Attributes:
        rows: The rows.
        cursor: The cursor of the next read.
        is_last: Whether no further rows existed at that moment.
    """

    rows: Sequence[T]
    cursor: int
    is_last: bool


def mail_after(inbox: str, cursor: int) -> Query[Chunk[Message]]:
    """Read the messages of an inbox after a cursor, in any state.

    Raises:
        CursorTooOldError: From the query: some of them may be deleted.
    """

    def query(connection: sqlite3.Connection) -> Chunk[Message]:
        _require_not_deleted(connection, MESSAGES_GONE, cursor)
        ids = connection.execute(
            "SELECT id, inbox = (SELECT id FROM inboxes WHERE name = ?) FROM mail "
            "WHERE id > ? ORDER BY id LIMIT ?",
            (inbox, cursor, CHUNK_ROWS),
        ).fetchall()
        ours = [number for number, is_ours in ids if is_ours]
        placeholders = ", ".join("?" * len(ours))
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id IN ({placeholders}) ORDER BY id",  # noqa: S608
            ours,
        )
        last = ids[-1][0] if ids else cursor
        return Chunk([message_from_row(row) for row in rows], last, len(ids) < CHUNK_ROWS)

    return query


def events_after(cursor: int, count: int) -> Query[Chunk[EventRecord]]:
    """Read the next `count` events after a cursor.

    Raises:
        CursorTooOldError: From the query: some of them are deleted.
    """

    def query(connection: sqlite3.Connection) -> Chunk[EventRecord]:
        _require_not_deleted(connection, EVENTS_GONE, cursor)
        rows = events.following(cursor, count)(connection)
        return Chunk(rows, rows[-1].seq if rows else cursor, len(rows) < count)

    return query


def _require_not_deleted(connection: sqlite3.Connection, mark: str, cursor: int) -> None:
    query = "SELECT number FROM marks WHERE name = ?"
    deleted = int(connection.execute(query, (mark,)).fetchone()[0])
    if 0 < cursor < deleted:
        raise CursorTooOldError.behind(cursor, deleted + 1)
