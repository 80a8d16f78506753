"""Rows for tests: stores messages through `Changes`, as the broker does."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from hive.config import Retention
from hive.store import Kind, Message, MessageKind, Origin
from hive.store.messages import Changes, highest_id, insert_values, update_values
from hive.store.records import numbered
from hive.store.transaction import Op

EPOCH = 1

DAY = 86400.0
NOW = 1000 * DAY
KEEP = Retention(messages=30 * DAY, events=90 * DAY)
"""Retention of tests whose wall time is `NOW`."""


def message(number: int = 0, body: str = "hello", **more: Any) -> Message:
    """Return a message from alice to bob, with other fields as given.

    Args:
        number: Its id; 0 for the next free one when it is stored.
        body: Its body.
        more: Fields of `Message`.
    """
    fields = {
        "inbox": "bob",
        "sender": "alice",
        "sender_kind": Kind.AGENT,
        "kind": MessageKind.MESSAGE,
        "size": len(body.encode()),
        "sent_at": 0.0,
        "body": body,
    }
    return Message(number, **{**fields, **more})


def storing(*messages: Message) -> Op[Sequence[int]]:
    """Return the write that stores messages in any state; the value is their ids."""

    def op(connection: sqlite3.Connection) -> Sequence[int]:
        changes = Changes()
        for number, each in enumerate(messages, start=highest_id(connection) + 1):
            each.id = each.id or number
            inbox = inbox_number(connection, each.inbox)
            sender = session_number(connection, *sent_by(each), each.origin)
            if each.holder is not None:
                changes.sessions.append((each.session, each.holder, "agent", *[None] * 4))
            changes.inserted_full += insert_values(each, inbox, sender)
            changes.updated += update_values(each)
        changes(connection)
        return [each.id for each in messages]

    return op


def put(connection: sqlite3.Connection, *messages: Message) -> Sequence[int]:
    """Store messages in any state; return their ids."""
    return storing(*messages)(connection)


def sent_by(message: Message) -> tuple[str, str]:
    """Return name and kind of the sending session; for a reminder, that of its inbox."""
    if message.kind is MessageKind.REMINDER:
        return message.inbox, "agent"
    return message.sender, message.sender_kind.value


def inbox_number(connection: sqlite3.Connection, name: str) -> int:
    """Return the number of an inbox; insert it if it is missing."""
    connection.execute(
        "INSERT OR IGNORE INTO inboxes (id, name) VALUES ((SELECT 1 + count(*) FROM inboxes), ?)",
        (name,),
    )
    found = connection.execute("SELECT id FROM inboxes WHERE name = ?", (name,)).fetchone()
    return int(found[0])


def session_number(connection: sqlite3.Connection, name: str, kind: str, origin: Origin) -> int:
    """Return the number of a session of a participant; insert it if it is missing."""
    row = (name, kind, origin.socket or None, origin.pid, origin.uid, origin.gid)
    found = connection.execute(
        "SELECT id FROM sessions WHERE (name, kind) = (?, ?) "
        "AND socket IS ? AND pid IS ? AND uid IS ? AND gid IS ?",
        row,
    ).fetchone()
    if found is not None:
        return int(found[0])
    count = connection.execute("SELECT count(*) FROM sessions").fetchone()[0]
    made = numbered(EPOCH, count)
    connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", (made, *row))
    return made
