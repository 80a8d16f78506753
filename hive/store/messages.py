"""Mail: writes and reads of the messages table.

The broker decides everything in memory; what comes here is the outcome. A change is written as the
row's whole delivery state, never as a step, so that several changes of one row in one batch are one
statement and their order does not matter. The two usual changes, a lease and its ack, have
statements of their own that bind less.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from attrs import field, frozen

from hive.store import groups, receipts
from hive.store.pieces import Row, insert, run_in_pieces, update
from hive.store.records import (
    Kind,
    Message,
    MessageKind,
    MessageState,
    Origin,
    Priority,
    Receipt,
)
from hive.store.unit import Query

_USUAL = (
    "id, inbox, sender, sender_kind, kind, size, sent_at, state, attempts, deliveries, lease, "
    "session, leased_at"
)
_RARE = (
    "in_reply_to, label, thread, priority, not_before, expires_at, dedupe_key, supersede_key, "
    "hops, in_turn_at, ended_at, reason"
)
_CONTENT = "body, origin_socket, origin_pid, origin_uid, origin_gid"

_BODILESS = f"{_USUAL}, {_RARE}"
COLUMNS = f"{_BODILESS}, {_CONTENT}"
"""Everything that `whole` reads."""

_USUAL_ROW = f"{_USUAL}, {_CONTENT}"
_INSERT_USUAL = insert("messages", _USUAL_ROW)
_INSERT = insert("messages", f"{_USUAL_ROW}, {_RARE}")
_USUAL_LENGTH = _USUAL_ROW.count(",") + 1

_NOTHING_RARE = (None, None, None, 0, None, None, None, None, 0, None, None, None)
"""What the table itself puts into `_RARE`: to leave a column out is cheaper than to bind NULL."""

_MOVE = update(
    "messages",
    "id",
    "state, not_before, attempts, deliveries, lease, session, leased_at, in_turn_at, ended_at, "
    "reason, hops",
)
_LEASE = update(
    "messages",
    "id",
    "attempts, deliveries, lease, session, leased_at, hops",
    "state = 'leased', not_before = NULL, in_turn_at = NULL, ended_at = NULL, reason = NULL",
)
_ACK = update("messages", "id", "ended_at", "state = 'acked'")

_UNDELIVERED = "state IN ('stored', 'leased', 'parked')"
"""Word for word the condition of the partial index, or SQLite would not use it."""

_MAX_PARAMETERS = 500
"""Ids in one statement; SQLite takes 999 parameters at least."""


def insertion(message: Message) -> Row:
    """Return the values of a row that is not on disk yet, without the rare ones if none is set."""
    origin = message.origin
    usual = (
        message.id,
        message.inbox,
        message.sender,
        str(message.sender_kind),
        str(message.kind),
        message.size,
        message.sent_at,
        str(message.state),
        message.attempts,
        message.deliveries,
        message.lease,
        message.session,
        message.leased_at,
        message.body,
        origin.socket,
        origin.pid,
        origin.uid,
        origin.gid,
    )
    rare = (
        message.in_reply_to,
        message.label,
        message.thread,
        message.priority,
        message.not_before,
        message.expires_at,
        message.dedupe_key,
        message.supersede_key,
        message.hops,
        message.in_turn_at,
        message.ended_at,
        message.reason,
    )
    return usual if rare == _NOTHING_RARE else usual + rare


def move(message: Message) -> Row:
    """Return the delivery state of a row that is on disk."""
    return (
        str(message.state),
        message.not_before,
        message.attempts,
        message.deliveries,
        message.lease,
        message.session,
        message.leased_at,
        message.in_turn_at,
        message.ended_at,
        message.reason,
        message.hops,
        message.id,
    )


def leasing(message: Message) -> Row:
    """Return the delivery state of a row that is on disk and leased, with no turn begun yet."""
    return (
        message.attempts,
        message.deliveries,
        message.lease,
        message.session,
        message.leased_at,
        message.hops,
        message.id,
    )


def acking(message: Message) -> Row:
    """Return the end of a row that is on disk as leased and is acked now: no more has changed."""
    return message.ended_at, message.id


@frozen
class Changes:
    """One write of the broker: new rows, rows that moved on, bodies that are needed again.

    Attributes:
        inserted: Rows as `insertion` makes them.
        leased: Rows as `leasing` makes them.
        moved: Rows as `move` makes them.
        acked: Rows as `acking` makes them.
        receipts: Steps that the rows no longer tell.
        bodies: Ids of messages whose bodies the broker no longer holds.
    """

    inserted: Sequence[Row] = ()
    leased: Sequence[Row] = ()
    moved: Sequence[Row] = ()
    acked: Sequence[Row] = ()
    receipts: Sequence[Receipt] = ()
    bodies: Sequence[int] = ()

    def __call__(self, connection: sqlite3.Connection) -> dict[int, str]:
        """Apply the changes; return the bodies by id."""
        usual = [row for row in self.inserted if len(row) == _USUAL_LENGTH]
        run_in_pieces(connection, _INSERT_USUAL, usual)
        if len(usual) < len(self.inserted):
            whole = [row for row in self.inserted if len(row) > _USUAL_LENGTH]
            run_in_pieces(connection, _INSERT, whole)
        run_in_pieces(connection, _LEASE, self.leased)
        run_in_pieces(connection, _MOVE, self.moved)
        run_in_pieces(connection, _ACK, self.acked)
        if self.receipts:
            receipts.append(connection, self.receipts)
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
        lineage: Thread and hops of recent replies, by id, also of those at their end.
        used_keys: Dedupe keys within the window, oldest first, one for each message.
        groups: Members of each group.
        queues: Names of the work queues.
    """

    last_id: int
    rows: Sequence[Message] = field(factory=tuple)
    lineage: Mapping[int, tuple[int, int]] = field(factory=dict)
    used_keys: Sequence[UsedKey] = field(factory=tuple)
    groups: Mapping[str, frozenset[str]] = field(factory=dict)
    queues: Sequence[str] = field(factory=tuple)


class UsedKey(NamedTuple):
    """A dedupe key and the message that was stored under it."""

    sender: str
    key: str
    id: int
    inbox: str
    sent_at: float


LINEAGE = 20_000
"""Newest ids of which it is known at once what they reply to."""


def undelivered(keys_since: float) -> Query[Undelivered]:
    """Read what is not at its end, and the dedupe keys used since a time."""

    def query(connection: sqlite3.Connection) -> Undelivered:
        last = connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'messages'"
        ).fetchone()
        last_id = last[0] if last else 0
        rows = connection.execute(
            f"SELECT {_BODILESS} FROM messages WHERE {_UNDELIVERED} ORDER BY id"  # noqa: S608
        )
        return Undelivered(
            last_id,
            [_record(row) for row in rows],
            _lineage(connection, last_id - LINEAGE),
            _used_keys(connection, keys_since),
            groups.members(connection),
            groups.queues(connection),
        )

    return query


def _lineage(connection: sqlite3.Connection, after: int) -> dict[int, tuple[int, int]]:
    rows = connection.execute(
        "SELECT id, thread, hops FROM messages WHERE id > ? AND thread IS NOT NULL", (after,)
    )
    return {number: (thread, hops) for number, thread, hops in rows}


def _used_keys(connection: sqlite3.Connection, since: float) -> list[UsedKey]:
    rows = connection.execute(
        "SELECT sender, dedupe_key, id, inbox, sent_at FROM messages "
        "WHERE dedupe_key IS NOT NULL AND sent_at >= ? ORDER BY id",
        (since,),
    )
    return [UsedKey(*row) for row in rows]


@frozen
class Epoch:
    """Begin a new life of the broker; its number makes leases of earlier lives recognisable."""

    now: float

    def __call__(self, connection: sqlite3.Connection) -> int:
        """Return the number, which is higher than all before it."""
        cursor = connection.execute("INSERT INTO epochs (started_at) VALUES (?)", (self.now,))
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def next_epoch(connection: sqlite3.Connection) -> int:
    """Read the number that the next `Epoch` will have."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'epochs'").fetchone()
    return int(found[0]) + 1 if found else 1


def by_id(ids: Sequence[int]) -> Query[Mapping[int, Message]]:
    """Read messages by id, whatever their state, without their bodies."""

    def query(connection: sqlite3.Connection) -> Mapping[int, Message]:
        rows = connection.execute(
            f"SELECT {_BODILESS} FROM messages WHERE id IN ({_marks(ids)})",  # noqa: S608
            ids,
        )
        return {row[0]: _record(row) for row in rows}

    return query


def one(number: int) -> Query[Message | None]:
    """Read one message whole, whatever its state."""

    def query(connection: sqlite3.Connection) -> Message | None:
        row = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id = ?",  # noqa: S608 - own column names
            (number,),
        ).fetchone()
        return None if row is None else whole(row)

    return query


def newest(inbox: str, count: int, *, unread: bool = False) -> Query[tuple[Message, ...]]:
    """Read the newest messages of an inbox with their bodies, oldest first.

    With `unread`, only those that are not at their end; otherwise whatever their state.
    """
    condition = f"AND {_UNDELIVERED}" if unread else ""

    def query(connection: sqlite3.Connection) -> tuple[Message, ...]:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE inbox = ? {condition} "  # noqa: S608
            "ORDER BY id DESC LIMIT ?",
            (inbox, count),
        ).fetchall()
        return tuple(whole(row) for row in reversed(rows))

    return query


def _marks(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids))


_FIELDS = tuple(name.strip() for name in _BODILESS.split(","))


def _record(row: Row) -> Message:
    values = dict(zip(_FIELDS, row, strict=True))
    values["sender_kind"] = Kind(values["sender_kind"])
    values["kind"] = MessageKind(values["kind"])
    values["state"] = MessageState(values["state"])
    values["priority"] = Priority(values["priority"])
    return Message(**values)


def whole(row: Row) -> Message:
    """Return the message of a row of `COLUMNS`."""
    message = _record(row[: len(_FIELDS)])
    message.body, *origin = row[len(_FIELDS) :]
    message.origin = Origin(*origin)
    return message
