"""The tables, as numbered migrations that only go forward.

`PRAGMA user_version` holds the number of the last migration that was applied. Each migration and
its number are one transaction. A migration that was released is never edited: add another.

A row of `mail` is small, because it is written for every message. States and kinds are the numbers
of their places in `STATES` and `KINDS`; the inbox is a row of `inboxes`; sender and holder of a
message are rows of `sessions`, one for each connection that ever sent or leased a message. Measured
with 64 inserts and acks in a commit, that takes half the CPU time of rows with texts. The view
`messages` has the same rows in words, for all readers off the hot path.

Defaults in `mail` without a meaning of their own (inbox 0, sender 0) are needed by upserts, see
`hive.store.bulk`: if the row was deleted meanwhile, an upsert inserts one with defaults. That row
is in no inbox, so the view does not show it, and retention deletes it.

Numbers of sessions and leases are the broker's epoch times 2**32 plus a counter. Ids come from the
broker and are never used twice. A trigger marks the highest id that was deleted: AUTOINCREMENT
would dirty one more page in each commit.

The index on undelivered mail is partial, over the open states, and keyed by id alone. The broker
has the queues in memory and needs it once, at start; a key that began with the inbox would dirty
one page per inbox in every commit (measured: half the rate of inserts and acks). The other indexes
on mail are partial, too, and cost nothing for a message that is not in them: dead letters, dedupe
keys by the time they were used, and reminders. Receipts hold the steps that the row of a message no
longer holds, so a message that is delivered once and acked has none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from hive.store.errors import StoreCorruptError, StoreVersionError

APPLICATION_ID = 0x48495645
"""`PRAGMA application_id`, "HIVE" in ASCII; files of other programs are refused."""

STATES = ("stored", "leased", "parked", "acked", "expired", "dead")
"""States of messages, at the places of their numbers. Those of `OPEN` come first."""

OPEN = "state < 3"
"""Condition of messages that have not ended; the text must equal that of the partial index."""

KINDS = ("message", "broadcast", "event", "wake", "question", "answer", "reminder")
"""Kinds of messages, at the places of their numbers."""

REMINDER = 6
"""Number of the kind `reminder`; the sender's session of a reminder is that of its owner."""

SENT_BY = (
    f"iif(kind = {REMINDER}, 'reminder', "  # noqa: S608 - own words
    "(SELECT name FROM sessions WHERE sessions.id = mail.sender)) = ?"
)
"""Condition of messages from a sender: a participant, or `reminder`."""

SYSTEM_SESSION = 1
"""Session of messages from the daemon itself; below the sessions of all epochs."""

Migration = tuple[str, ...]


def _in_words(column: str, words: Iterable[str]) -> str:
    cases = " ".join(f"WHEN {number} THEN '{word}'" for number, word in enumerate(words))
    return f"CASE {column} {cases} END"


MIGRATIONS: tuple[Migration, ...] = (
    (  # 1
        f"PRAGMA application_id = {APPLICATION_ID}",
        """
        CREATE TABLE epochs (
            epoch INTEGER PRIMARY KEY,
            started_at REAL NOT NULL
        )
        """,
        """
        CREATE TABLE sessions (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            socket TEXT,
            pid INTEGER,
            uid INTEGER,
            gid INTEGER
        )
        """,
        "INSERT INTO sessions (id, name, kind) VALUES (1, 'system', 'system')",
        """
        CREATE TABLE inboxes (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE
        )
        """,
        """
        CREATE TABLE mail (
            id INTEGER PRIMARY KEY,
            inbox INTEGER NOT NULL DEFAULT 0,
            sender INTEGER NOT NULL DEFAULT 0,
            kind INTEGER NOT NULL DEFAULT 0,
            size INTEGER NOT NULL DEFAULT 0,
            sent_at REAL NOT NULL DEFAULT 0,
            state INTEGER NOT NULL DEFAULT 3 CHECK (state BETWEEN 0 AND 5),
            attempts INTEGER NOT NULL DEFAULT 0,
            deliveries INTEGER NOT NULL DEFAULT 0,
            lease INTEGER NOT NULL DEFAULT 0,
            session INTEGER NOT NULL DEFAULT 0,
            leased_at REAL,
            ended_at REAL,
            body TEXT NOT NULL DEFAULT '',
            in_reply_to INTEGER,
            label TEXT,
            thread INTEGER,
            priority INTEGER NOT NULL DEFAULT 0,
            not_before REAL,
            expires_at REAL,
            dedupe_key TEXT,
            supersede_key TEXT,
            hops INTEGER NOT NULL DEFAULT 0,
            in_turn_at REAL,
            reason TEXT
        )
        """,
        f"CREATE INDEX undelivered ON mail (id) WHERE {OPEN}",
        f"CREATE INDEX dead_letters ON mail (id) WHERE state = {STATES.index('dead')}",
        "CREATE INDEX dedupe ON mail (sent_at) WHERE dedupe_key IS NOT NULL",
        f"CREATE INDEX reminders ON mail (inbox) WHERE kind = {REMINDER} AND state = 0",
        f"""
        CREATE VIEW messages AS
        SELECT mail.id,
            inboxes.name AS inbox,
            iif(mail.kind = {REMINDER}, 'reminder', sender.name) AS sender,
            iif(mail.kind = {REMINDER}, 'system', sender.kind) AS sender_kind,
            {_in_words("mail.kind", KINDS)} AS kind,
            mail.size,
            mail.sent_at,
            {_in_words("mail.state", STATES)} AS state,
            mail.in_reply_to, mail.label, mail.thread, mail.priority, mail.not_before,
            mail.expires_at, mail.dedupe_key, mail.supersede_key, mail.hops, mail.attempts,
            mail.deliveries, mail.lease, mail.session, mail.leased_at, mail.in_turn_at,
            mail.ended_at, mail.reason,
            holder.name AS holder,
            mail.body,
            sender.socket AS origin_socket,
            sender.pid AS origin_pid,
            sender.uid AS origin_uid,
            sender.gid AS origin_gid
        FROM mail
            JOIN inboxes ON inboxes.id = mail.inbox
            JOIN sessions AS sender ON sender.id = mail.sender
            LEFT JOIN sessions AS holder ON holder.id = mail.session
        """,  # noqa: S608 - own words
        """
        CREATE TABLE receipts (
            id INTEGER PRIMARY KEY,
            message INTEGER NOT NULL,
            at REAL NOT NULL,
            step TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            session INTEGER NOT NULL,
            reason TEXT
        )
        """,
        "CREATE INDEX receipts_of ON receipts (message)",
        """
        CREATE TABLE marks (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID
        """,
        "INSERT INTO marks VALUES ('searchable', 0), ('messages_gone', 0), ('events_gone', 0), "
        "('highest_deleted', 0)",
        """
        CREATE TRIGGER mail_goes AFTER DELETE ON mail BEGIN
            DELETE FROM receipts WHERE message = OLD.id;
            UPDATE marks SET number = OLD.id WHERE name = 'highest_deleted' AND number < OLD.id;
        END
        """,
        """
        CREATE VIRTUAL TABLE search USING fts5 (body, content = 'mail', content_rowid = 'id')
        """,
        """
        CREATE TRIGGER search_forgets AFTER DELETE ON mail
            WHEN OLD.inbox > 0 AND OLD.id <= (SELECT number FROM marks WHERE name = 'searchable')
            BEGIN INSERT INTO search (search, rowid, body) VALUES ('delete', OLD.id, OLD.body); END
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
        "CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL)",
    ),
    (  # 2
        "ALTER TABLE participants ADD COLUMN started TEXT",
        "ALTER TABLE participants ADD COLUMN applied TEXT",
        "ALTER TABLE participants ADD COLUMN failed TEXT",
        "ALTER TABLE participants ADD COLUMN frozen_at REAL",
        "ALTER TABLE turns ADD COLUMN frozen_seconds REAL NOT NULL DEFAULT 0",
        "CREATE INDEX thaws ON events (name, at) WHERE event = 'thawed'",
        """
        CREATE TABLE approvals (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            sha TEXT,
            base TEXT,
            detail TEXT NOT NULL,
            description TEXT,
            requested_by TEXT NOT NULL,
            requested_at REAL NOT NULL,
            expires_at REAL,
            on_expiry TEXT NOT NULL CHECK (on_expiry IN ('deny', 'hold', 'escalate')),
            state TEXT NOT NULL CHECK (state IN (
                'pending', 'held', 'approved', 'done', 'failed', 'denied', 'expired', 'cancelled'
            )),
            decided_at REAL,
            decided_by TEXT,
            note TEXT,
            ended_at REAL,
            error TEXT
        )
        """,
        "CREATE INDEX open_approvals ON approvals (id) WHERE ended_at IS NULL",
        "CREATE INDEX approvals_by_end ON approvals (ended_at)",
        """
        CREATE TABLE audit (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            at REAL NOT NULL,
            verb TEXT NOT NULL,
            outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused')),
            subject TEXT NOT NULL,
            approval INTEGER,
            sha TEXT,
            reason TEXT,
            actor TEXT NOT NULL,
            socket TEXT,
            pid INTEGER,
            uid INTEGER,
            gid INTEGER,
            via TEXT
        )
        """,
        """
        CREATE TABLE deploys (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            approval INTEGER UNIQUE,
            source TEXT NOT NULL CHECK (source IN ('approval', 'rollback', 'rebuild', 'inputs')),
            sha TEXT NOT NULL,
            previous TEXT,
            agents TEXT NOT NULL,
            before TEXT,
            step TEXT NOT NULL,
            queued_at REAL NOT NULL,
            started_at REAL,
            ended_at REAL,
            error TEXT
        )
        """,
        "CREATE INDEX open_deploys ON deploys (id) WHERE ended_at IS NULL",
        "CREATE INDEX deploys_of ON deploys (name, id)",
        "CREATE INDEX deploys_by_end ON deploys (ended_at)",
        "CREATE TABLE moves (name TEXT PRIMARY KEY, before TEXT) WITHOUT ROWID",
        """
        CREATE TABLE schedules (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            recurrence TEXT NOT NULL,
            timezone TEXT NOT NULL,
            body TEXT NOT NULL,
            description TEXT,
            requested_by TEXT NOT NULL,
            approval INTEGER UNIQUE,
            created_at REAL NOT NULL,
            last_at REAL NOT NULL,
            next_at REAL NOT NULL,
            orphaned INTEGER NOT NULL DEFAULT 0,
            ended_at REAL,
            reason TEXT
        )
        """,
        "CREATE INDEX schedules_by_end ON schedules (ended_at)",
        """
        CREATE TABLE attention_marks (
            key TEXT PRIMARY KEY,
            since TEXT,
            pinned INTEGER NOT NULL,
            archived INTEGER NOT NULL,
            snoozed_until REAL
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE attention_notified (
            id TEXT PRIMARY KEY,
            occurrence TEXT NOT NULL
        ) WITHOUT ROWID
        """,
    ),
    (  # 3
        "ALTER TABLE participants ADD COLUMN model_choice TEXT",
    ),
)


def check(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Check that this program may use the file, without changing it.

    Raises:
        StoreCorruptError: The file belongs to another program.
        StoreVersionError: A newer version of this program wrote it.
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
    """Check that a file that passed `check` needs no migration.

    Raises:
        StoreVersionError: It does.
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
    """Migrate a file that passed `check`; return its version before and after."""
    before = version_of(connection)
    for number, statements in enumerate(migrations[before:], start=before + 1):
        _apply(connection, number, statements)
    return before, len(migrations)


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema version of a file: the number of its last migration."""
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
