"""Reminders: messages that somebody left for itself and that are not due yet."""

from __future__ import annotations

import sqlite3

from hive.store.messages import COLUMNS, whole
from hive.store.records import Message
from hive.store.unit import Query


def pending(name: str) -> Query[list[Message]]:
    """Read the reminders of a participant that are not delivered yet, the next one first."""

    def query(connection: sqlite3.Connection) -> list[Message]:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages "  # noqa: S608 - own column names
            "WHERE inbox = ? AND kind = 'reminder' AND state = 'stored' "
            "AND not_before IS NOT NULL ORDER BY not_before, id",
            (name,),
        )
        return [whole(row) for row in rows]

    return query
