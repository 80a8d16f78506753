"""Places to go on reading from, and the honest answer when what came next is gone.

A cursor is the number of the last row that a reader has seen. Retention marks how far it has
deleted; a reader whose cursor is behind that mark may have missed something and is told so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Generic, TypeVar

from attrs import frozen

from hive.errors import CursorTooOldError
from hive.store import events
from hive.store.messages import COLUMNS, whole
from hive.store.records import EventRecord, Message
from hive.store.retention import EVENTS_GONE, MESSAGES_GONE
from hive.store.unit import Query

T = TypeVar("T")

PAGE = 200
"""Most rows that are looked at in one read."""


@frozen
class Page(Generic[T]):
    """Rows behind a cursor, in order.

    Attributes:
        rows: What was found.
        cursor: Where to go on.
        is_last: Whether there was nothing behind it at that moment.
    """

    rows: Sequence[T]
    cursor: int
    is_last: bool


def mail_after(inbox: str, cursor: int) -> Query[Page[Message]]:
    """Read what came into an inbox behind a cursor, whatever became of it since.

    Raises:
        CursorTooOldError: From the query: some of it may be gone.
    """

    def query(connection: sqlite3.Connection) -> Page[Message]:
        _require_kept(connection, MESSAGES_GONE, cursor)
        ids = connection.execute(
            "SELECT id, inbox = (SELECT id FROM inboxes WHERE name = ?) FROM mail "
            "WHERE id > ? ORDER BY id LIMIT ?",
            (inbox, cursor, PAGE),
        ).fetchall()
        wanted = [number for number, is_ours in ids if is_ours]
        marks = ", ".join("?" * len(wanted))
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id IN ({marks}) ORDER BY id",  # noqa: S608
            wanted,
        )
        last = ids[-1][0] if ids else cursor
        return Page([whole(row) for row in rows], last, len(ids) < PAGE)

    return query


def events_after(cursor: int, count: int) -> Query[Page[EventRecord]]:
    """Read the next `count` events behind a cursor.

    Raises:
        CursorTooOldError: From the query: some of them are gone.
    """

    def query(connection: sqlite3.Connection) -> Page[EventRecord]:
        _require_kept(connection, EVENTS_GONE, cursor)
        rows = events.following(cursor, count)(connection)
        return Page(rows, rows[-1].seq if rows else cursor, len(rows) < count)

    return query


def _require_kept(connection: sqlite3.Connection, mark: str, cursor: int) -> None:
    query = "SELECT number FROM marks WHERE name = ?"
    gone = int(connection.execute(query, (mark,)).fetchone()[0])
    if 0 < cursor < gone:
        raise CursorTooOldError.behind(cursor, gone + 1)
