"""Reminders: messages that somebody left for itself and that are not due yet."""

from __future__ import annotations

import sqlite3

from hive.store.messages import COLUMNS, whole
from hive.store.records import Message
from hive.store.schema import REMINDER
from hive.store.unit import Query


def pending(name: str) -> Query[list[Message]]:
    """Read the reminders of a participant that are not delivered yet, the next one first."""

    def query(connection: sqlite3.Connection) -> list[Message]:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id IN (SELECT id FROM mail "  # noqa: S608
            f"WHERE inbox = (SELECT id FROM inboxes WHERE name = ?) AND kind = {REMINDER} "
            "AND state = 0 AND not_before IS NOT NULL) ORDER BY not_before, id",
            (name,),
        )
        return [whole(row) for row in rows]

    return query
