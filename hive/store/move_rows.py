"""Moves of participants: another kind, another name; and the moves that are not finished yet.

A move is one write. What has to be done on the file system afterwards is a row of `moves` until it
is done, so that the next daemon can go on with it. Senders and receivers of old messages keep the
name that they had.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from attrs import frozen

from hive.store import attention_marks, audit, participants
from hive.store.audit import AuditEntry
from hive.store.records import Kind, ParticipantRecord
from hive.store.transaction import Op

_SPARE = "\n"
"""Name of an inbox between two names; no participant can have it."""

_RENAMED = {
    "members": "member",
    "approvals": "name",
    "deploys": "name",
    "turns": "name",
}
"""Column of each table that has the name of a participant, beside those that `rename` handles."""


@frozen
class UnfinishedMove:
    """A move that is on disk, while its files may not be.

    Attributes:
        name: The participant.
        before: Its name before, after a rename; None after a release.
    """

    name: str
    before: str | None = None


def move(record: ParticipantRecord, entry: AuditEntry) -> Op[None]:
    """Replace a participant by one of the other kind.

    Args:
        record: The record; that of a peer leaves an unfinished release.
        entry: The entry of the audit.
    """

    def op(connection: sqlite3.Connection) -> None:
        participants.upsert(record)(connection)
        connection.execute("DELETE FROM moves WHERE name = ?", (record.name,))
        if record.kind is Kind.PEER:
            connection.execute("INSERT INTO moves VALUES (?, NULL)", (record.name,))
        audit.append(connection, entry)

    return op


def rename(
    old: str, record: ParticipantRecord, entry: AuditEntry
) -> Op[Mapping[str, frozenset[str]]]:
    """Give a participant's rows another name; the value is all groups afterwards.

    Args:
        old: The name before.
        record: The record under the new name.
        entry: The entry of the audit.
    """
    new = record.name

    def op(connection: sqlite3.Connection) -> Mapping[str, frozenset[str]]:
        attention_marks.rename(connection, old, new)
        participants.delete(old, purge=False)(connection)
        participants.upsert(record)(connection)
        _rename_inbox(connection, old, new)
        for table, column in _RENAMED.items():
            statement = f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {column} = ?"  # noqa: S608
            connection.execute(statement, (new, old))
        connection.execute(
            "UPDATE approvals SET requested_by = ? WHERE requested_by = ? AND ended_at IS NULL",
            (new, old),
        )
        connection.execute(
            "UPDATE schedules SET name = ?, orphaned = 0 WHERE name = ? AND ended_at IS NULL",
            (new, old),
        )
        # Of a rename that is undone, nothing is left to finish.
        connection.execute("DELETE FROM moves WHERE name = ? AND before = ?", (old, new))
        connection.execute("INSERT OR REPLACE INTO moves VALUES (?, ?)", (new, old))
        audit.append(connection, entry)
        return participants.groups(connection)

    return op


def unfinished(connection: sqlite3.Connection) -> list[UnfinishedMove]:
    """Read the moves that are not finished."""
    return [UnfinishedMove(*row) for row in connection.execute("SELECT name, before FROM moves")]


def finished(name: str) -> Op[None]:
    """Delete the unfinished move of a participant."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM moves WHERE name = ?", (name,))

    return op


def _rename_inbox(connection: sqlite3.Connection, old: str, new: str) -> None:
    """Rename an inbox; if there is one of the new name, its messages join, and the names swap.

    No row is deleted: the numbers of inboxes are those from 1 to their count.
    """
    rows = dict(connection.execute("SELECT name, id FROM inboxes WHERE name IN (?, ?)", (old, new)))
    if new in rows and old in rows:
        joined = (rows[old], rows[new])
        connection.execute("UPDATE mail SET inbox = ? WHERE inbox = ?", joined)
        connection.execute("UPDATE inboxes SET name = ? WHERE id = ?", (_SPARE, rows[new]))
    if old in rows:
        connection.execute("UPDATE inboxes SET name = ? WHERE id = ?", (new, rows[old]))
    if new in rows and old in rows:
        connection.execute("UPDATE inboxes SET name = ? WHERE id = ?", (old, rows[new]))
