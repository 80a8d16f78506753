"""The tables, as numbered migrations that only go forward.

`PRAGMA user_version` holds the number of the last migration that was applied. Each migration and
its number are one transaction. A migration that was released is never edited: add another.

The only index on messages is partial, over what is not at its end, and keyed by id alone. The
broker keeps the queues in memory and needs it once, at start; a key that began with the inbox would
dirty one page per inbox in every commit (measured: half the rate of inserts and acks).
`AUTOINCREMENT` costs one of the three pages of a commit of one message, nothing that shows in a
larger one, and means that an id is never used twice, even after retention has deleted the newest
rows.

The other indexes on messages are partial, too, and cost nothing to a message that is not in them:
dead letters, dedupe keys by the time they were used, and reminders. Receipts hold what a message's
own row no longer says, so a message that is delivered once and acked has none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hive.store.errors import StoreCorruptError, StoreVersionError

APPLICATION_ID = 0x48495645
"""`PRAGMA application_id`, "HIVE" in ASCII: another program's file is never taken for ours."""

Migration = tuple[str, ...]

_COLUMNS_1 = (
    "id, inbox, sender, sender_kind, kind, body, size, label, in_reply_to, thread, priority, "
    "sent_at, not_before, expires_at, dedupe_key, supersede_key, hops, state, attempts, "
    "deliveries, lease, session, leased_at, ended_at, reason, origin_socket, origin_pid, "
    "origin_uid, origin_gid"
)
"""The columns of messages in version 1."""

MIGRATIONS: tuple[Migration, ...] = (
    (  # 1
        f"PRAGMA application_id = {APPLICATION_ID}",
        """
        CREATE TABLE epochs (
            epoch INTEGER PRIMARY KEY AUTOINCREMENT,
            started_at REAL NOT NULL
        )
        """,
        """
        CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            inbox TEXT NOT NULL,
            sender TEXT NOT NULL,
            sender_kind TEXT NOT NULL,
            kind TEXT NOT NULL,
            body TEXT NOT NULL,
            size INTEGER NOT NULL,
            label TEXT,
            in_reply_to INTEGER,
            thread INTEGER,
            priority INTEGER NOT NULL DEFAULT 0,
            sent_at REAL NOT NULL,
            not_before REAL,
            expires_at REAL,
            dedupe_key TEXT,
            supersede_key TEXT,
            hops INTEGER NOT NULL DEFAULT 0,
            state TEXT NOT NULL
                CHECK (state IN ('stored', 'leased', 'acked', 'expired', 'dead')),
            attempts INTEGER NOT NULL DEFAULT 0,
            deliveries INTEGER NOT NULL DEFAULT 0,
            lease TEXT,
            session TEXT,
            leased_at REAL,
            ended_at REAL,
            reason TEXT,
            origin_socket TEXT,
            origin_pid INTEGER,
            origin_uid INTEGER,
            origin_gid INTEGER
        )
        """,
        """
        CREATE INDEX undelivered ON messages (id) WHERE state IN ('stored', 'leased')
        """,
        """
        CREATE TABLE participants (
            name TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            desired TEXT NOT NULL,
            paused INTEGER NOT NULL,
            manifest TEXT NOT NULL,
            origin TEXT NOT NULL,
            broadcast INTEGER NOT NULL,
            description TEXT,
            created_at REAL NOT NULL,
            last_seen REAL,
            last_reason TEXT,
            status_text TEXT,
            status_set_at REAL,
            restarts INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            at REAL NOT NULL,
            event TEXT NOT NULL,
            name TEXT,
            detail TEXT NOT NULL
        )
        """,
    ),
    (  # 2: parked messages, receipts, groups, work queues
        """
        CREATE TABLE messages_2 (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            inbox TEXT NOT NULL,
            sender TEXT NOT NULL,
            sender_kind TEXT NOT NULL,
            kind TEXT NOT NULL,
            body TEXT NOT NULL,
            size INTEGER NOT NULL,
            label TEXT,
            in_reply_to INTEGER,
            thread INTEGER,
            priority INTEGER NOT NULL DEFAULT 0,
            sent_at REAL NOT NULL,
            not_before REAL,
            expires_at REAL,
            dedupe_key TEXT,
            supersede_key TEXT,
            hops INTEGER NOT NULL DEFAULT 0,
            state TEXT NOT NULL
                CHECK (state IN ('stored', 'leased', 'parked', 'acked', 'expired', 'dead')),
            attempts INTEGER NOT NULL DEFAULT 0,
            deliveries INTEGER NOT NULL DEFAULT 0,
            lease TEXT,
            session TEXT,
            leased_at REAL,
            in_turn_at REAL,
            ended_at REAL,
            reason TEXT,
            origin_socket TEXT,
            origin_pid INTEGER,
            origin_uid INTEGER,
            origin_gid INTEGER
        )
        """,
        f"INSERT INTO messages_2 ({_COLUMNS_1}) SELECT {_COLUMNS_1} FROM messages",  # noqa: S608
        "DELETE FROM sqlite_sequence WHERE name = 'messages_2'",
        """
        INSERT INTO sqlite_sequence (name, seq)
            SELECT 'messages_2', seq FROM sqlite_sequence WHERE name = 'messages'
        """,
        "DROP TABLE messages",
        "ALTER TABLE messages_2 RENAME TO messages",
        """
        CREATE INDEX undelivered ON messages (id) WHERE state IN ('stored', 'leased', 'parked')
        """,
        "CREATE INDEX dead_letters ON messages (id) WHERE state = 'dead'",
        "CREATE INDEX dedupe ON messages (sent_at) WHERE dedupe_key IS NOT NULL",
        """
        CREATE TABLE receipts (
            id INTEGER PRIMARY KEY,
            message INTEGER NOT NULL,
            at REAL NOT NULL,
            step TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            session TEXT,
            reason TEXT
        )
        """,
        "CREATE INDEX receipts_of ON receipts (message)",
        """
        CREATE TRIGGER receipts_go AFTER DELETE ON messages
            BEGIN DELETE FROM receipts WHERE message = OLD.id; END
        """,
        """
        CREATE TABLE members (
            name TEXT NOT NULL,
            member TEXT NOT NULL,
            PRIMARY KEY (name, member)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE queues (name TEXT PRIMARY KEY, created_at REAL NOT NULL) WITHOUT ROWID
        """,
    ),
    (  # 3: upkeep: search, retention, the writer's trials
        """
        CREATE TABLE marks (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID
        """,
        "INSERT INTO marks VALUES ('searchable', 0), ('messages_gone', 0), ('events_gone', 0)",
        """
        CREATE VIRTUAL TABLE search USING fts5 (body, content = 'messages', content_rowid = 'id')
        """,
        """
        CREATE TRIGGER search_forgets AFTER DELETE ON messages
            WHEN OLD.id <= (SELECT number FROM marks WHERE name = 'searchable')
            BEGIN INSERT INTO search (search, rowid, body) VALUES ('delete', OLD.id, OLD.body); END
        """,
        "CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL)",
    ),
    (  # 4: questions, reminders, turns, accounts
        """
        CREATE TABLE questions (
            id INTEGER PRIMARY KEY,
            asker TEXT NOT NULL,
            target TEXT NOT NULL,
            text TEXT NOT NULL,
            options TEXT NOT NULL,
            multi INTEGER NOT NULL,
            on_expiry TEXT NOT NULL CHECK (on_expiry IN ('deny', 'hold', 'escalate')),
            asked_at REAL NOT NULL,
            expires_at REAL,
            state TEXT NOT NULL CHECK (
                state IN ('open', 'held', 'escalated', 'answered', 'expired', 'cancelled')
            ),
            ended_at REAL,
            ended_by TEXT,
            answer TEXT
        )
        """,
        "CREATE INDEX questions_by_end ON questions (ended_at)",
        """
        CREATE INDEX reminders ON messages (inbox) WHERE kind = 'reminder' AND state = 'stored'
        """,
        """
        CREATE TABLE turns (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            started_at REAL NOT NULL,
            ended_at REAL NOT NULL,
            wake TEXT NOT NULL,
            outcome TEXT NOT NULL,
            model TEXT,
            messages TEXT NOT NULL,
            input_tokens INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            cache_read_tokens INTEGER NOT NULL,
            cache_write_tokens INTEGER NOT NULL,
            cost_usd REAL,
            tools TEXT NOT NULL,
            note TEXT,
            UNIQUE (name, started_at)
        )
        """,
        "CREATE INDEX turns_by_end ON turns (ended_at)",
        """
        CREATE TABLE limits (
            account TEXT PRIMARY KEY,
            until REAL NOT NULL,
            since REAL NOT NULL,
            reason TEXT NOT NULL,
            reported_by TEXT NOT NULL
        ) WITHOUT ROWID
        """,
    ),
)


def check(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Look whether this file is ours, without changing anything.

    Raises:
        StoreCorruptError: When the file belongs to another program.
        StoreVersionError: When it was written by a newer version of this one.
    """
    version = version_of(connection)
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    is_new = version == 0 and application == 0 and tables == 0
    if not is_new and application != APPLICATION_ID:
        raise StoreCorruptError(
            "the file is an SQLite database of another program; "
            "point the state directory elsewhere or move the file away"
        )
    if version > len(migrations):
        raise StoreVersionError(
            f"the store has schema version {version}, this program knows {len(migrations)}; "
            "run the newer version, or restore a backup from before the upgrade"
        )


def require_current(connection: sqlite3.Connection) -> None:
    """Look whether a file that was checked has the tables that this program reads.

    Raises:
        StoreVersionError: When it must be brought up to date first.
    """
    version = version_of(connection)
    if version != len(MIGRATIONS):
        raise StoreVersionError(
            f"the store has schema version {version} and must be brought to {len(MIGRATIONS)} "
            "first; that takes a disk with room"
        )


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS
) -> tuple[int, int]:
    """Bring a file that was checked up to date; return its version before and after."""
    before = version_of(connection)
    for number, statements in enumerate(migrations[before:], start=before + 1):
        _apply(connection, number, statements)
    return before, len(migrations)


def version_of(connection: sqlite3.Connection) -> int:
    """Return the number of the last migration that was applied to a file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _apply(connection: sqlite3.Connection, number: int, statements: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
