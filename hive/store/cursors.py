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
from hive.store.events import ALL_EVENTS, EventFilter
from hive.store.listing import CHUNK_ROWS, chunks, with_bodies
from hive.store.records import EventRecord, Message
from hive.store.retention import EVENTS_GONE, MESSAGES_GONE
from hive.store.transaction import Query

T = TypeVar("T")


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
    """Read the messages of an inbox after a cursor, in any state; a chunk of them at a time.

    Raises:
        CursorTooOldError: From the query: some of them may be deleted.
    """

    def query(connection: sqlite3.Connection) -> Chunk[Message]:
        _require_not_deleted(connection, MESSAGES_GONE, cursor)
        found = connection.execute(
            "SELECT id, size, inbox = (SELECT id FROM inboxes WHERE name = ?) FROM mail "
            "WHERE id > ? ORDER BY id LIMIT ?",
            (inbox, cursor, CHUNK_ROWS),
        ).fetchall()
        ours = [*chunks([(number, size) for number, size, is_ours in found if is_ours])]
        if len(ours) > 1:
            return Chunk(with_bodies(ours[0])(connection), ours[0][-1], is_last=False)
        rows = with_bodies(ours[0])(connection) if ours else ()
        return Chunk(rows, found[-1][0] if found else cursor, len(found) < CHUNK_ROWS)

    return query


def events_after(
    cursor: int, count: int, only: EventFilter = ALL_EVENTS
) -> Query[Chunk[EventRecord]]:
    """Read the next `count` events after a cursor that fit a filter.

    The cursor of the chunk is behind all that was looked at, fitting or not.

    Raises:
        CursorTooOldError: From the query: some of them are deleted.
    """

    def query(connection: sqlite3.Connection) -> Chunk[EventRecord]:
        _require_not_deleted(connection, EVENTS_GONE, cursor)
        rows = events.following(cursor, count, only)(connection)
        if len(rows) == count:
            return Chunk(rows, rows[-1].seq, is_last=False)
        return Chunk(rows, max(cursor, events.last_seq(connection)), is_last=True)

    return query


def _require_not_deleted(connection: sqlite3.Connection, mark: str, cursor: int) -> None:
    query = "SELECT number FROM marks WHERE name = ?"
    deleted = int(connection.execute(query, (mark,)).fetchone()[0])
    if 0 < cursor < deleted:
        raise CursorTooOldError.behind(cursor, deleted + 1)
