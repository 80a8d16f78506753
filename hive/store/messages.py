"""Messages: writes and reads of the mail table, reminders among them.

The broker decides in memory and writes the outcome. A change is written as the complete delivery
state of its row, so that several changes of one row in one batch are one statement and their order
does not matter. The usual message, a lease and an ack have their own statements with fewer
parameters. Values are flat lists, row after row, as multi-row statements take them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from attrs import field, frozen

from hive.names import QUEUE_PREFIX
from hive.store import participants, questions, receipts
from hive.store.bulk import Row, column_names, insert, run_in_chunks, update
from hive.store.records import (
    Kind,
    Message,
    MessageKind,
    MessageState,
    Origin,
    Receipt,
)
from hive.store.schema import KINDS, OPEN, REMINDER, STATES
from hive.store.transaction import Op, Query

_BODILESS = (
    "id, inbox, sender, sender_kind, kind, size, sent_at, state, in_reply_to, label, thread, "
    "priority, not_before, expires_at, dedupe_key, supersede_key, hops, attempts, deliveries, "
    "lease, session, leased_at, in_turn_at, ended_at, reason, holder"
)
COLUMNS = f"{_BODILESS}, body, origin_socket, origin_pid, origin_uid, origin_gid"
"""The columns of the view `messages` that `message_from_row` expects."""

_USUAL = (
    "id, inbox, sender, size, sent_at, state, attempts, deliveries, lease, session, leased_at, body"
)
_RARE = (
    "kind, in_reply_to, label, thread, priority, not_before, expires_at, dedupe_key, "
    "supersede_key, hops, reason"
)
_LEASED = "id, attempts, deliveries, lease, session, leased_at, hops"
_UPDATED = (
    "id, state, not_before, attempts, deliveries, lease, session, leased_at, in_turn_at, "
    "ended_at, reason, hops"
)
_SESSION = "id, name, kind, socket, pid, uid, gid"

_INSERT_USUAL = insert("mail", _USUAL)
_INSERT_FULL = insert("mail", f"{_USUAL}, {_RARE}")
_LEASE = update(
    "mail",
    _LEASED,
    "state = 1, not_before = NULL, in_turn_at = NULL, ended_at = NULL, reason = NULL",
)
_UPDATE = update("mail", _UPDATED)
_ACK = update("mail", "id, ended_at", "state = 3")
_INSERT_SESSION = f"INSERT OR IGNORE INTO sessions ({_SESSION}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_INSERT_INBOX = "INSERT OR IGNORE INTO inboxes (id, name) VALUES (?, ?)"

_USUAL_WIDTH = len(column_names(_USUAL))
_FULL_WIDTH = _USUAL_WIDTH + len(column_names(_RARE))
_LEASED_WIDTH = len(column_names(_LEASED))
_UPDATED_WIDTH = len(column_names(_UPDATED))
_ACKED_WIDTH = 2

_STATE = {MessageState(word): number for number, word in enumerate(STATES)}
_KIND = {MessageKind(word): number for number, word in enumerate(KINDS)}

_MAX_PARAMETERS = 500
"""Most ids in one statement; SQLite accepts 999 parameters at least."""


class Written(NamedTuple):
    """What a write of the broker returned.

    Attributes:
        bodies: The bodies in `Changes.bodies`, by id.
        values: The value of each of `Changes.others`.
    """

    bodies: Mapping[int, str]
    values: Sequence[Any]


class Changes(msgspec.Struct, eq=False):
    """One write of the broker: new rows, changed rows, and bodies to read.

    Lists of `Any` are flat, row after row.

    Attributes:
        sessions: Rows of sessions that sent or lease a message for the first time.
        inboxes: Number and name of inboxes that receive a message for the first time.
        inserted: New rows of the usual kind: id, inbox, session of the sender, size, time, state
            (0 or 1), attempts, deliveries, lease, session, time of the lease, body.
        inserted_full: New rows of any kind, from `insert_values`.
        leased: Rows that are leased now, from `lease_values`.
        updated: Rows with any other change, from `update_values`.
        acked: Id and time of rows that are leased on disk and acked now, without other changes.
        receipts: Steps that the rows no longer hold.
        crowded: Ids of messages whose receipts are trimmed.
        questions: Rows of questions.
        bodies: Ids of messages whose bodies the broker must read.
        others: Further writes, and reads of the result.
    """

    sessions: list[Row] = msgspec.field(default_factory=list)
    inboxes: list[Row] = msgspec.field(default_factory=list)
    inserted: list[Any] = msgspec.field(default_factory=list)
    inserted_full: list[Any] = msgspec.field(default_factory=list)
    leased: list[Any] = msgspec.field(default_factory=list)
    updated: list[Any] = msgspec.field(default_factory=list)
    acked: list[Any] = msgspec.field(default_factory=list)
    receipts: list[Receipt] = msgspec.field(default_factory=list)
    crowded: list[int] = msgspec.field(default_factory=list)
    questions: list[Row] = msgspec.field(default_factory=list)
    bodies: list[int] = msgspec.field(default_factory=list)
    others: list[Op[Any]] = msgspec.field(default_factory=list)

    def __call__(self, connection: sqlite3.Connection) -> Written:
        """Apply the changes; return bodies and values."""
        if self.sessions:
            connection.executemany(_INSERT_SESSION, self.sessions)
        if self.inboxes:
            connection.executemany(_INSERT_INBOX, self.inboxes)
        for statement, values, width in (
            (_INSERT_USUAL, self.inserted, _USUAL_WIDTH),
            (_INSERT_FULL, self.inserted_full, _FULL_WIDTH),
            (_LEASE, self.leased, _LEASED_WIDTH),
            (_UPDATE, self.updated, _UPDATED_WIDTH),
            (_ACK, self.acked, _ACKED_WIDTH),
        ):
            if values:
                run_in_chunks(connection, statement, values, width)
        if self.receipts:
            receipts.append(connection, self.receipts)
            receipts.trim(connection, self.crowded)
        if self.questions:
            questions.save(connection, self.questions)
        bodies = read_bodies(connection, self.bodies) if self.bodies else {}
        return Written(bodies, [op(connection) for op in self.others])


def insert_values(message: Message, inbox: int, sender: int) -> tuple[Any, ...]:
    """Return the values of a new row of any kind.

    Args:
        message: The message in its current state.
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


def update_values(message: Message) -> tuple[Any, ...]:
    """Return the delivery state of a row that is on disk, for `Changes.updated`."""
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


def lease_values(message: Message) -> tuple[Any, ...]:
    """Return the delivery state of a row on disk that is leased without a turn."""
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
                f"SELECT id, body FROM mail WHERE id IN ({_placeholders(part)})",  # noqa: S608
                part,
            ).fetchall()
        )
    return found


@frozen
class Undelivered:
    """The durable state with which a broker starts.

    Attributes:
        last_id: The highest id ever given to a message.
        rows: Every message that has not ended, in the order of ids, without its body.
        lineage: Thread and hops of recent replies by id, ended ones included.
        used_keys: Dedupe keys within the window, oldest first, one for each message.
        groups: Members of each group.
        queues: Names of the work queues.
        inboxes: Number of each inbox that ever received a message, by name.
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
"""Number of newest ids whose thread and hops are loaded at start."""


_UNDELIVERED = f"id IN (SELECT id FROM mail WHERE {OPEN})"  # noqa: S608 - own words
"""Condition on the view, whose states are words, that uses the partial index."""


def undelivered(keys_since: float) -> Query[Undelivered]:
    """Read what a broker starts with; dedupe keys from a wall time on."""

    def query(connection: sqlite3.Connection) -> Undelivered:
        last_id = highest_id(connection)
        rows = connection.execute(
            f"SELECT {_BODILESS} FROM messages WHERE {_UNDELIVERED} ORDER BY id"  # noqa: S608
        )
        return Undelivered(
            last_id,
            [Message(*_with_enums(row)) for row in rows],
            _lineage(connection, last_id - LINEAGE),
            _used_keys(connection, keys_since),
            participants.groups(connection),
            participants.queues(connection),
            dict(connection.execute("SELECT name, id FROM inboxes").fetchall()),
        )

    return query


def highest_id(connection: sqlite3.Connection) -> int:
    """Read the highest id ever given to a message, deleted or not."""
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
    """The write that begins an epoch of the broker; leases of earlier epochs are fenced by it."""

    now: float

    def __call__(self, connection: sqlite3.Connection) -> int:
        """Insert the epoch and return its number, higher than all before it."""
        cursor = connection.execute("INSERT INTO epochs (started_at) VALUES (?)", (self.now,))
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def next_epoch(connection: sqlite3.Connection) -> int:
    """Read the number that the next `Epoch` will have."""
    found = connection.execute("SELECT max(epoch) FROM epochs").fetchone()[0]
    return int(found or 0) + 1


def by_id(ids: Sequence[int]) -> Query[Mapping[int, Message]]:
    """Read messages by id, in any state, without their bodies."""

    def query(connection: sqlite3.Connection) -> Mapping[int, Message]:
        found: dict[int, Message] = {}
        for start in range(0, len(ids), _MAX_PARAMETERS):
            part = ids[start : start + _MAX_PARAMETERS]
            rows = connection.execute(
                f"SELECT {_BODILESS} FROM messages WHERE id IN ({_placeholders(part)})",  # noqa: S608
                part,
            )
            found.update((row[0], Message(*_with_enums(row))) for row in rows)
        return found

    return query


def one(number: int) -> Query[Message | None]:
    """Read one message in any state, with its body; None if there is none."""

    def query(connection: sqlite3.Connection) -> Message | None:
        row = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id = ?",  # noqa: S608 - own column names
            (number,),
        ).fetchone()
        return None if row is None else message_from_row(row)

    return query


RECEIPTS_READ = 200
"""Most receipts of one message that are read for its parties; those of old stores may be more."""


class Parties(NamedTuple):
    """The participants that a message concerns.

    Attributes:
        sender: Who sent it.
        receivers: Its inbox, and those who took it from a work queue.
    """

    sender: str
    receivers: frozenset[str]


@frozen
class FindParties:
    """Reads the parties of one message in any state; None if there is none.

    Attributes:
        number: The id of the message.
    """

    number: int

    def __call__(self, connection: sqlite3.Connection) -> Parties | None:
        """Read the row of the message; for a work queue, also its newest receipts."""
        row = connection.execute(
            "SELECT sender, inbox, holder FROM messages WHERE id = ?", (self.number,)
        ).fetchone()
        if row is None:
            return None
        sender, inbox, holder = row
        if not inbox.startswith(QUEUE_PREFIX):
            return Parties(sender, frozenset({inbox}))
        earlier = connection.execute(
            "SELECT DISTINCT name FROM (SELECT session FROM receipts WHERE message = ? "
            "ORDER BY id DESC LIMIT ?) JOIN sessions ON sessions.id = session",
            (self.number, RECEIPTS_READ),
        )
        takers = {holder, *(name for (name,) in earlier)} - {None}
        return Parties(sender, frozenset({inbox, *takers}))


def pending_reminders(name: str) -> Query[list[Message]]:
    """Read the undelivered reminders of a participant, the next one first."""

    def query(connection: sqlite3.Connection) -> list[Message]:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id IN (SELECT id FROM mail "  # noqa: S608
            f"WHERE inbox = (SELECT id FROM inboxes WHERE name = ?) AND kind = {REMINDER} "
            "AND state = 0 AND not_before IS NOT NULL) ORDER BY not_before, id",
            (name,),
        )
        return [message_from_row(row) for row in rows]

    return query


def _placeholders(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids))


def _with_enums(row: Row) -> Row:
    """Return the values of `_BODILESS` with enum members in place of their words."""
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


_WIDTH = len(column_names(_BODILESS))


def message_from_row(row: Row) -> Message:
    """Return the message of a row of `COLUMNS`."""
    body, *origin = row[_WIDTH:]
    values = (*_with_enums(row[:_WIDTH]), body, Origin(origin[0] or "", *origin[1:]))
    return Message(*values)
