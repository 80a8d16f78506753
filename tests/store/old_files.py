"""Builds stores as earlier versions of the program left them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hive.store.schema import MIGRATIONS, migrate

INSERT_1 = (
    "INSERT INTO messages (id, inbox, sender, sender_kind, kind, body, size, sent_at, state, "
    "attempts, ended_at) VALUES (?, ?, 'alice', 'agent', 'message', ?, ?, ?, ?, ?, ?)"
)
"""What every version understands."""

ROWS = (
    (1, "bob", "the first quick fox", 19, 100.0, "acked", 1, 110.0),
    (2, "bob", "still unread", 12, 120.0, "stored", 0, None),
    (5, "carol", "expired fox", 11, 130.0, "expired", 0, 140.0),
)


def build(path: Path, version: int) -> None:
    """Make a file of a version, with mail, a participant, events and numbers that were used up."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, MIGRATIONS[:version])
        connection.executemany(INSERT_1, ROWS)
        connection.execute("UPDATE sqlite_sequence SET seq = 9 WHERE name = 'messages'")
        connection.execute("INSERT INTO epochs (started_at) VALUES (50)")
        connection.execute("INSERT INTO events (at, event, detail) VALUES (60, 'old', '{}')")
        connection.execute(
            "INSERT INTO participants (name, kind, desired, paused, manifest, origin, broadcast, "
            "created_at, restarts) VALUES ('bob', 'agent', 'running', 0, '{}', 'config', 0, 70, 0)"
        )


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Read what must survive every migration."""
    queries = {
        "messages": "SELECT id, inbox, body, size, sent_at, state, attempts, ended_at "
        "FROM messages ORDER BY id",
        "last_id": "SELECT seq FROM sqlite_sequence WHERE name = 'messages'",
        "epochs": "SELECT * FROM epochs",
        "events": "SELECT seq, at, event FROM events",
        "participants": "SELECT name, created_at FROM participants",
        "integrity": "PRAGMA integrity_check",
    }
    with closing(sqlite3.connect(path)) as connection:
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}
