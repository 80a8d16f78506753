"""Builds store files of earlier versions.

Besides the migrations that there are, two invented ones are tested: for a program that knows `ALL`,
a file of the present version is old.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from hive.store import MessageState
from hive.store.messages import highest_id
from hive.store.schema import MIGRATIONS, Migration, migrate
from tests.store.rows import message, put

LATER: tuple[Migration, ...] = (
    (
        "ALTER TABLE mail ADD COLUMN colour TEXT",
        "UPDATE mail SET colour = 'red' WHERE state = 3",
        "CREATE INDEX coloured ON mail (colour) WHERE colour IS NOT NULL",
        "INSERT INTO marks VALUES ('coloured', (SELECT count(*) FROM mail))",
    ),
    (
        "CREATE TABLE anew (name TEXT PRIMARY KEY, created_at REAL NOT NULL, shoe INTEGER)",
        "INSERT INTO anew SELECT name, created_at, 41 FROM participants",
        "DROP TABLE participants",
        "ALTER TABLE anew RENAME TO participants",
        "CREATE TRIGGER joins AFTER INSERT ON participants "
        "BEGIN UPDATE marks SET number = number + 1 WHERE name = 'coloured'; END",
    ),
)
"""A migration that adds to tables, and one that rebuilds a table."""

ALL = (*MIGRATIONS, *LATER)
"""The migrations of a later program."""

ROWS = (
    (1, "bob", "the first quick fox", 19, 100.0, "acked", 1, 110.0),
    (2, "bob", "still unread", 12, 120.0, "stored", 0, None),
    (5, "carol", "expired fox", 11, 130.0, "expired", 0, 140.0),
)

USED_UP = 9
"""The highest id ever given; its message is deleted."""


def build(path: Path, version: int = len(MIGRATIONS)) -> None:
    """Create a file of a version, with mail, a participant, events and a deleted highest id."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, ALL[:1])
        for number, inbox, body, _, sent_at, state, attempts, ended_at in ROWS:
            put(
                connection,
                message(
                    number,
                    body,
                    inbox=inbox,
                    sent_at=sent_at,
                    state=MessageState(state),
                    attempts=attempts,
                    ended_at=ended_at,
                ),
            )
        put(connection, message(USED_UP))
        connection.execute("DELETE FROM mail WHERE id = ?", (USED_UP,))
        connection.execute("INSERT INTO epochs (started_at) VALUES (50)")
        connection.execute("INSERT INTO events (at, event, detail) VALUES (60, 'old', '{}')")
        connection.execute(
            "INSERT INTO participants (name, kind, desired, paused, manifest, origin, broadcast, "
            "created_at, restarts) VALUES ('bob', 'agent', 'running', 0, '{}', 'config', 0, 70, 0)"
        )
        migrate(connection, ALL[:version])


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Read what must survive every migration."""
    queries = {
        "messages": "SELECT id, inbox, body, size, sent_at, state, attempts, ended_at "
        "FROM messages ORDER BY id",
        "senders": "SELECT id, sender, sender_kind FROM messages ORDER BY id",
        "epochs": "SELECT * FROM epochs",
        "events": "SELECT seq, at, event FROM events",
        "participants": "SELECT name, created_at FROM participants",
        "integrity": "PRAGMA integrity_check",
    }
    with closing(sqlite3.connect(path)) as connection:
        found = {name: connection.execute(query).fetchall() for name, query in queries.items()}
        return {**found, "last_id": [(highest_id(connection),)]}
