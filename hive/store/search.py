"""Full-text search over all mail, in SQLite's own index (sqlite.org/fts5.html).

Sends do not pay for it. Bodies enter the index later, in small writes among all others: some
minutes after they were sent, or when somebody searches, whichever is sooner. The index holds words
and places, not bodies, and a trigger takes out what is deleted.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from attrs import frozen

from hive.store.messages import COLUMNS, whole
from hive.store.records import Message
from hive.store.schema import SENT_BY
from hive.store.store import Store
from hive.store.unit import Query

PIECE_ROWS, PIECE_BYTES = 500, 1 << 18
"""Most that enters the index in one write, so that no send waits long for it."""

_MARK = "SELECT number FROM marks WHERE name = 'searchable'"


@frozen
class Wanted:
    """What is looked for; what is None is not asked about.

    Attributes:
        text: Words that must all be there, in any order and case; a word that ends with `*` is
            the beginning of one.
        sender: Who sent it.
        inbox: Whose mail it is.
        thread: The first message of its thread.
        since: Sent at this wall time or later.
        until: Sent before this wall time.
    """

    text: str | None = None
    sender: str | None = None
    inbox: str | None = None
    thread: int | None = None
    since: float | None = None
    until: float | None = None


async def search(store: Store, wanted: Wanted, count: int) -> tuple[Message, ...]:
    """Return the newest `count` messages that are as wanted, oldest first.

    Everything that was stored before the call is found.

    Raises:
        StoreError: The store cannot be read, or takes nothing into its index.
    """
    if wanted.text is not None:
        await catch_up(store)
    return await store.read(matching(wanted, count))


async def catch_up(store: Store) -> None:
    """Bring everything into the index that is not there yet.

    Raises:
        StoreError: The store takes no writes.
    """
    while await store.read(is_behind):
        await store.write(index_piece)


def is_behind(connection: sqlite3.Connection) -> bool:
    """Tell whether there are messages that cannot be searched yet."""
    query = f"SELECT EXISTS (SELECT 1 FROM mail WHERE id > ({_MARK}))"  # noqa: S608
    return bool(connection.execute(query).fetchone()[0])


def index_piece(connection: sqlite3.Connection) -> None:
    """Take the next few bodies into the index."""
    done = connection.execute(_MARK).fetchone()[0]
    last, size = done, 0
    for number, bytes_ in connection.execute(
        "SELECT id, size FROM mail WHERE id > ? ORDER BY id LIMIT ?", (done, PIECE_ROWS)
    ):
        size += bytes_
        if size > PIECE_BYTES and last > done:
            break
        last = number
    connection.execute(
        "INSERT INTO search (rowid, body) SELECT id, body FROM mail WHERE id > ? AND id <= ?",
        (done, last),
    )
    connection.execute("UPDATE marks SET number = ? WHERE name = 'searchable'", (last,))


def matching(wanted: Wanted, count: int) -> Query[tuple[Message, ...]]:
    """Read the newest messages that are as wanted and in the index, oldest first."""
    conditions, values = _conditions(wanted)

    def query(connection: sqlite3.Connection) -> tuple[Message, ...]:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id IN (SELECT id FROM mail "  # noqa: S608
            f"WHERE {conditions} ORDER BY id DESC LIMIT ?) ORDER BY id",
            (*values, count),
        )
        return tuple(map(whole, rows))

    return query


_CONDITIONS = {
    "sender": SENT_BY,
    "inbox": "inbox = (SELECT id FROM inboxes WHERE name = ?)",
    "thread": "(thread = ? OR id = ?)",
    "since": "sent_at >= ?",
    "until": "sent_at < ?",
}


def _conditions(wanted: Wanted) -> tuple[str, list[Any]]:
    found, values = ["1"], list[Any]()
    if wanted.text is not None:
        found.append("id IN (SELECT rowid FROM search WHERE search MATCH ?)")
        values.append(match(wanted.text))
    for name, condition in _CONDITIONS.items():
        value = getattr(wanted, name)
        if value is not None:
            found.append(condition)
            values += [value] * condition.count("?")
    return " AND ".join(found), values


def match(text: str) -> str:
    """Return the words of a text as a query of FTS5 in which nothing is an operator.

    A NUL would end the query; in bodies it is no part of a word either.
    """
    return " ".join(map(_term, text.replace("\0", " ").split() or [""]))


def _term(word: str) -> str:
    stem = word.rstrip("*")
    quoted = stem.replace('"', '""')
    return f'"{quoted}"*' if stem and stem != word else f'"{quoted}"'
