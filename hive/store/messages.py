"""Mail: writes and reads of the messages table.

The broker decides everything in memory; what comes here is the outcome. A change is written as the
row's whole delivery state, never as a step, so that several changes of one row in one batch are one
statement and their order does not matter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from hive.store.records import Kind, Message, MessageKind, MessageState, Origin
from hive.store.unit import Query

_BODILESS = (
    "id, inbox, sender, sender_kind, kind, size, sent_at, state, in_reply_to, label, priority, "
    "not_before, attempts, deliveries, lease, session, leased_at, ended_at, reason"
)
_COLUMNS = f"{_BODILESS}, body, origin_socket, origin_pid, origin_uid, origin_gid"

_INSERT = (
    f"INSERT INTO messages ({_COLUMNS}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_COLUMNS.split(',')))})"
)

_UPDATE = (
    "UPDATE messages SET state = ?, not_before = ?, attempts = ?, deliveries = ?, lease = ?, "
    "session = ?, leased_at = ?, ended_at = ?, reason = ? WHERE id = ?"
)

_UNDELIVERED = "state IN ('stored', 'leased')"
"""Word for word the condition of the partial index, or SQLite would not use it."""

_MAX_PARAMETERS = 500
"""Ids in one statement; SQLite takes 999 parameters at least."""

Row = tuple[Any, ...]


def insertion(message: Message) -> Row:
    """Return the values of a row that is not on disk yet."""
    origin = message.origin
    return (
        message.id,
        message.inbox,
        message.sender,
        message.sender_kind.value,
        message.kind.value,
        message.size,
        message.sent_at,
        message.state.value,
        message.in_reply_to,
        message.label,
        message.priority,
        message.not_before,
        message.attempts,
        message.deliveries,
        message.lease,
        message.session,
        message.leased_at,
        message.ended_at,
        message.reason,
        message.body,
        origin.socket,
        origin.pid,
        origin.uid,
        origin.gid,
    )


def move(message: Message) -> Row:
    """Return the delivery state of a row that is on disk."""
    return (
        message.state.value,
        message.not_before,
        message.attempts,
        message.deliveries,
        message.lease,
        message.session,
        message.leased_at,
        message.ended_at,
        message.reason,
        message.id,
    )


@frozen
class Changes:
    """One write of the broker: new rows, rows that moved on, bodies that are needed again.

    Attributes:
        inserted: Rows as `insertion` makes them.
        moved: Rows as `move` makes them.
        bodies: Ids of messages whose bodies the broker no longer holds.
    """

    inserted: Sequence[Row] = ()
    moved: Sequence[Row] = ()
    bodies: Sequence[int] = ()

    def __call__(self, connection: sqlite3.Connection) -> dict[int, str]:
        """Apply the changes; return the bodies by id."""
        if self.inserted:
            connection.executemany(_INSERT, self.inserted)
        if self.moved:
            connection.executemany(_UPDATE, self.moved)
        return read_bodies(connection, self.bodies)


def read_bodies(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, str]:
    """Read bodies by id."""
    found: dict[int, str] = {}
    for start in range(0, len(ids), _MAX_PARAMETERS):
        part = ids[start : start + _MAX_PARAMETERS]
        found.update(
            connection.execute(
                f"SELECT id, body FROM messages WHERE id IN ({_marks(part)})",  # noqa: S608
                part,
            ).fetchall()
        )
    return found


@frozen
class Undelivered:
    """Everything that a broker must know to go on.

    Attributes:
        last_id: The highest id ever given to a message.
        rows: Every message that is not at its end, in the order of ids, without its body.
    """

    last_id: int
    rows: Sequence[Message] = field(factory=tuple)


def undelivered(connection: sqlite3.Connection) -> Undelivered:
    """Read what is not at its end."""
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
    rows = connection.execute(
        f"SELECT {_BODILESS} FROM messages WHERE {_UNDELIVERED} ORDER BY id"  # noqa: S608
    )
    return Undelivered(last[0] if last else 0, [_record(row) for row in rows])


@frozen
class Epoch:
    """Begin a new life of the broker; its number makes leases of earlier lives recognisable."""

    now: float

    def __call__(self, connection: sqlite3.Connection) -> int:
        """Return the number, which is higher than all before it."""
        cursor = connection.execute("INSERT INTO epochs (started_at) VALUES (?)", (self.now,))
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def by_id(ids: Sequence[int]) -> Query[Mapping[int, Message]]:
    """Read messages by id, whatever their state, without their bodies."""

    def query(connection: sqlite3.Connection) -> Mapping[int, Message]:
        rows = connection.execute(
            f"SELECT {_BODILESS} FROM messages WHERE id IN ({_marks(ids)})",  # noqa: S608
            ids,
        )
        return {row[0]: _record(row) for row in rows}

    return query


def newest(inbox: str, count: int, *, unread: bool = False) -> Query[tuple[Message, ...]]:
    """Read the newest messages of an inbox with their bodies, oldest first.

    With `unread`, only those that are not at their end; otherwise whatever their state.
    """
    condition = f"AND {_UNDELIVERED}" if unread else ""

    def query(connection: sqlite3.Connection) -> tuple[Message, ...]:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM messages WHERE inbox = ? {condition} "  # noqa: S608
            "ORDER BY id DESC LIMIT ?",
            (inbox, count),
        ).fetchall()
        return tuple(_whole(row) for row in reversed(rows))

    return query


def _marks(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids))


_FIELDS = tuple(name.strip() for name in _BODILESS.split(","))


def _record(row: Row) -> Message:
    values = dict(zip(_FIELDS, row, strict=True))
    values["sender_kind"] = Kind(values["sender_kind"])
    values["kind"] = MessageKind(values["kind"])
    values["state"] = MessageState(values["state"])
    return Message(**values)


def _whole(row: Row) -> Message:
    message = _record(row[: len(_FIELDS)])
    message.body, *origin = row[len(_FIELDS) :]
    message.origin = Origin(*origin)
    return message
