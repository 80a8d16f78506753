"""Mail: writes and reads of the mail table.

The broker decides everything in memory; what comes here is the outcome. A change is written as the
row's whole delivery state, never as a step, so that several changes of one row in one batch are one
statement and their order does not matter. The usual message, a lease and an ack have statements of
their own that bind less. What is written comes as flat lists of values, row behind row, because
that is how one statement takes many rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from attrs import field, frozen

from hive.store import groups, questions, receipts
from hive.store.bulk import Row, insert, run_in_pieces, update, width_names
from hive.store.records import (
    Kind,
    Message,
    MessageKind,
    MessageState,
    Origin,
    Receipt,
)
from hive.store.schema import KINDS, OPEN, STATES
from hive.store.unit import Op, Query

_BODILESS = (
    "id, inbox, sender, sender_kind, kind, size, sent_at, state, in_reply_to, label, thread, "
    "priority, not_before, expires_at, dedupe_key, supersede_key, hops, attempts, deliveries, "
    "lease, session, leased_at, in_turn_at, ended_at, reason, holder"
)
COLUMNS = f"{_BODILESS}, body, origin_socket, origin_pid, origin_uid, origin_gid"
"""Everything of the view `messages` that `whole` reads."""

_USUAL = (
    "id, inbox, sender, size, sent_at, state, attempts, deliveries, lease, session, leased_at, body"
)
_RARE = (
    "kind, in_reply_to, label, thread, priority, not_before, expires_at, dedupe_key, "
    "supersede_key, hops, reason"
)
_LEASED = "id, attempts, deliveries, lease, session, leased_at, hops"
_MOVED = (
    "id, state, not_before, attempts, deliveries, lease, session, leased_at, in_turn_at, "
    "ended_at, reason, hops"
)
_SESSION = "id, name, kind, socket, pid, uid, gid"

_INSERT_USUAL = insert("mail", _USUAL)
_INSERT = insert("mail", f"{_USUAL}, {_RARE}")
_LEASE = update(
    "mail",
    _LEASED,
    "state = 1, not_before = NULL, in_turn_at = NULL, ended_at = NULL, reason = NULL",
)
_MOVE = update("mail", _MOVED)
_ACK = update("mail", "id, ended_at", "state = 3")
_INSERT_SESSION = f"INSERT OR IGNORE INTO sessions ({_SESSION}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_INSERT_INBOX = "INSERT OR IGNORE INTO inboxes (id, name) VALUES (?, ?)"

_USUAL_WIDTH = len(width_names(_USUAL))
_WHOLE_WIDTH = _USUAL_WIDTH + len(width_names(_RARE))
_LEASED_WIDTH = len(width_names(_LEASED))
_MOVED_WIDTH = len(width_names(_MOVED))
_ACKED_WIDTH = 2

_STATE = {MessageState(word): number for number, word in enumerate(STATES)}
_KIND = {MessageKind(word): number for number, word in enumerate(KINDS)}

_MAX_PARAMETERS = 500
"""Ids in one statement; SQLite takes 999 parameters at least."""


class Written(NamedTuple):
    """What a write of the broker has read.

    Attributes:
        bodies: Those that were asked for, by id.
        values: What each of the other writes and looks returned.
    """

    bodies: Mapping[int, str]
    values: Sequence[Any]


class Changes(msgspec.Struct, eq=False):
    """One write of the broker: new rows, rows that moved on, bodies that are needed again.

    The lists are flat, value behind value, except where rows are tuples.

    Attributes:
        sessions: Rows of connections that sent or hold something for the first time.
        inboxes: Number and name of inboxes that get something for the first time.
        inserted: New rows of the usual kind: id, inbox, session of the sender, size, time, state
            (0 or 1), attempts, deliveries, lease, session, time of the lease, body.
        whole: New rows of any kind, as `insertion` makes them.
        leased: Rows that are leased now, as `leasing` makes them.
        moved: Rows that have changed in any way, as `moving` makes them.
        acked: Id and time of rows that are leased on disk and acked now; no more has changed.
        receipts: Steps that the rows no longer tell.
        questions: Rows of questions.
        bodies: Ids of messages whose bodies the broker no longer holds.
        others: Writes of any kind, and looks at what is then on disk.
    """

    sessions: list[Row] = msgspec.field(default_factory=list)
    inboxes: list[Row] = msgspec.field(default_factory=list)
    inserted: list[Any] = msgspec.field(default_factory=list)
    whole: list[Any] = msgspec.field(default_factory=list)
    leased: list[Any] = msgspec.field(default_factory=list)
    moved: list[Any] = msgspec.field(default_factory=list)
    acked: list[Any] = msgspec.field(default_factory=list)
    receipts: list[Receipt] = msgspec.field(default_factory=list)
    questions: list[Row] = msgspec.field(default_factory=list)
    bodies: list[int] = msgspec.field(default_factory=list)
    others: list[Op[Any]] = msgspec.field(default_factory=list)

    def __call__(self, connection: sqlite3.Connection) -> Written:
        """Apply the changes; return what was read."""
        if self.sessions:
            connection.executemany(_INSERT_SESSION, self.sessions)
        if self.inboxes:
            connection.executemany(_INSERT_INBOX, self.inboxes)
        for statement, values, width in (
            (_INSERT_USUAL, self.inserted, _USUAL_WIDTH),
            (_INSERT, self.whole, _WHOLE_WIDTH),
            (_LEASE, self.leased, _LEASED_WIDTH),
            (_MOVE, self.moved, _MOVED_WIDTH),
            (_ACK, self.acked, _ACKED_WIDTH),
        ):
            if values:
                run_in_pieces(connection, statement, values, width)
        if self.receipts:
            receipts.append(connection, self.receipts)
        if self.questions:
            questions.save(connection, self.questions)
        bodies = read_bodies(connection, self.bodies) if self.bodies else {}
        return Written(bodies, [op(connection) for op in self.others])


def insertion(message: Message, inbox: int, sender: int) -> tuple[Any, ...]:
    """Return the values of a new row of any kind.

    Args:
        message: What it says, as it is at this moment.
        inbox: The number of its inbox.
        sender: The number of the session that sent it.
    """
    return (
        message.id,
        inbox,
        sender,
        message.size,
        message.sent_at,
        _STATE[message.state],
        message.attempts,
        message.deliveries,
        message.lease,
        message.session,
        message.leased_at,
        message.body,
        _KIND[message.kind],
        message.in_reply_to,
        message.label,
        message.thread,
        message.priority,
        message.not_before,
        message.expires_at,
        message.dedupe_key,
        message.supersede_key,
        message.hops,
        message.reason,
    )


def moving(message: Message) -> tuple[Any, ...]:
    """Return the delivery state of a row that is on disk."""
    return (
        message.id,
        _STATE[message.state],
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
    )


def leasing(message: Message) -> tuple[Any, ...]:
    """Return the delivery state of a row that is on disk and leased, with no turn begun yet."""
    return (
        message.id,
        message.attempts,
        message.deliveries,
        message.lease,
        message.session,
        message.leased_at,
        message.hops,
    )


def read_bodies(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, str]:
    """Read bodies by id."""
    found: dict[int, str] = {}
    for start in range(0, len(ids), _MAX_PARAMETERS):
        part = ids[start : start + _MAX_PARAMETERS]
        found.update(
            connection.execute(
                f"SELECT id, body FROM mail WHERE id IN ({_marks(part)})",  # noqa: S608
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
        inboxes: Number of each inbox that ever got something, by name.
    """

    last_id: int
    rows: Sequence[Message] = field(factory=tuple)
    lineage: Mapping[int, tuple[int, int]] = field(factory=dict)
    used_keys: Sequence[UsedKey] = field(factory=tuple)
    groups: Mapping[str, frozenset[str]] = field(factory=dict)
    queues: Sequence[str] = field(factory=tuple)
    inboxes: Mapping[str, int] = field(factory=dict)


class UsedKey(NamedTuple):
    """A dedupe key and the message that was stored under it."""

    sender: str
    key: str
    id: int
    inbox: str
    sent_at: float


LINEAGE = 20_000
"""Newest ids of which it is known at once what they reply to."""


_UNDELIVERED = f"id IN (SELECT id FROM mail WHERE {OPEN})"  # noqa: S608 - own words
"""For the view, whose states are words: what the partial index finds."""


def undelivered(keys_since: float) -> Query[Undelivered]:
    """Read what is not at its end, and the dedupe keys used since a time."""

    def query(connection: sqlite3.Connection) -> Undelivered:
        last_id = highest_id(connection)
        rows = connection.execute(
            f"SELECT {_BODILESS} FROM messages WHERE {_UNDELIVERED} ORDER BY id"  # noqa: S608
        )
        return Undelivered(
            last_id,
            [Message(*_typed(row)) for row in rows],
            _lineage(connection, last_id - LINEAGE),
            _used_keys(connection, keys_since),
            groups.members(connection),
            groups.queues(connection),
            dict(connection.execute("SELECT name, id FROM inboxes").fetchall()),
        )

    return query


def highest_id(connection: sqlite3.Connection) -> int:
    """Read the highest id ever given to a message, also if that was deleted since."""
    query = (
        "SELECT max(coalesce((SELECT max(id) FROM mail), 0), number) FROM marks "
        "WHERE name = 'highest_deleted'"
    )
    return int(connection.execute(query).fetchone()[0])


def _lineage(connection: sqlite3.Connection, after: int) -> dict[int, tuple[int, int]]:
    rows = connection.execute(
        "SELECT id, thread, hops FROM mail WHERE id > ? AND thread IS NOT NULL", (after,)
    )
    return {number: (thread, hops) for number, thread, hops in rows}


def _used_keys(connection: sqlite3.Connection, since: float) -> list[UsedKey]:
    rows = connection.execute(
        "SELECT sender, dedupe_key, id, inbox, sent_at FROM messages "
        "WHERE id IN (SELECT id FROM mail WHERE dedupe_key IS NOT NULL AND sent_at >= ?) "
        "ORDER BY id",
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
    found = connection.execute("SELECT max(epoch) FROM epochs").fetchone()[0]
    return int(found or 0) + 1


def by_id(ids: Sequence[int]) -> Query[Mapping[int, Message]]:
    """Read messages by id, whatever their state, without their bodies."""

    def query(connection: sqlite3.Connection) -> Mapping[int, Message]:
        found: dict[int, Message] = {}
        for start in range(0, len(ids), _MAX_PARAMETERS):
            part = ids[start : start + _MAX_PARAMETERS]
            rows = connection.execute(
                f"SELECT {_BODILESS} FROM messages WHERE id IN ({_marks(part)})",  # noqa: S608
                part,
            )
            found.update((row[0], Message(*_typed(row))) for row in rows)
        return found

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
    condition = f"AND {OPEN}" if unread else ""

    def query(connection: sqlite3.Connection) -> tuple[Message, ...]:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id IN (SELECT id FROM mail "  # noqa: S608
            f"WHERE inbox = (SELECT id FROM inboxes WHERE name = ?) {condition} "
            "ORDER BY id DESC LIMIT ?) ORDER BY id",
            (inbox, count),
        )
        return tuple(map(whole, rows))

    return query


def _marks(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids))


def _typed(row: Row) -> Row:
    """Return the values of `_BODILESS` with the words of the closed sets as what they are."""
    number, inbox, sender, sender_kind, kind, size, sent_at, state, *rest = row
    return (
        number,
        inbox,
        sender,
        Kind(sender_kind),
        MessageKind(kind),
        size,
        sent_at,
        MessageState(state),
        *rest,
    )


_WIDTH = len(width_names(_BODILESS))


def whole(row: Row) -> Message:
    """Return the message of a row of `COLUMNS`."""
    body, *origin = row[_WIDTH:]
    values = (*_typed(row[:_WIDTH]), body, Origin(origin[0] or "", *origin[1:]))
    return Message(*values)
