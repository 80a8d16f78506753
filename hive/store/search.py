"""Full-text search over all mail, in SQLite's own index (sqlite.org/fts5.html).

Sends do not update the index. Bodies are indexed later, in small writes among all others: some
minutes after they were sent, or at the next search, whichever is sooner. The index holds words and
their positions, not bodies, and a trigger removes deleted messages from it.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from attrs import frozen

from hive.store.listing import listed
from hive.store.records import Message
from hive.store.schema import SENT_BY
from hive.store.store import Store
from hive.store.transaction import Query

BATCH_ROWS, BATCH_BYTES = 500, 1 << 18
"""Most rows and bytes that are indexed in one write, so that no send waits long for it."""

_MARK = "SELECT number FROM marks WHERE name = 'searchable'"


@frozen
class SearchCriteria:
    """Conditions of a search, all of which must hold; None is no condition.

    Attributes:
        text: Words that the body must contain, in any order and case; a word that ends with `*`
            is a prefix.
        sender: Name of the sender.
        inbox: Name of the inbox.
        thread: Id of the first message of the thread.
        since: Sent at this wall time or later.
        until: Sent before this wall time.
        before: With a smaller id than this.
    """

    text: str | None = None
    sender: str | None = None
    inbox: str | None = None
    thread: int | None = None
    since: float | None = None
    until: float | None = None
    before: int | None = None


async def search(store: Store, criteria: SearchCriteria, count: int) -> tuple[Message, ...]:
    """Return the newest `count` messages that match, oldest first.

    Everything that was stored before the call is searched.

    Raises:
        StoreError: The store cannot be read, or its index cannot be written.
        TooLargeError: The bodies of what was found are too large for one list.
    """
    if criteria.text is not None:
        await update_index(store)
    return await store.read(matching(criteria, count))


async def update_index(store: Store) -> None:
    """Index every message that is not indexed yet.

    Raises:
        StoreError: The store accepts no writes.
    """
    while await store.read(has_unindexed):
        await store.write(index_batch)


def has_unindexed(connection: sqlite3.Connection) -> bool:
    """Return whether there are messages that are not indexed yet."""
    query = f"SELECT EXISTS (SELECT 1 FROM mail WHERE id > ({_MARK}))"  # noqa: S608
    return bool(connection.execute(query).fetchone()[0])


def index_batch(connection: sqlite3.Connection) -> None:
    """Index the next batch of bodies."""
    done = connection.execute(_MARK).fetchone()[0]
    last, size = done, 0
    for number, bytes_ in connection.execute(
        "SELECT id, size FROM mail WHERE id > ? ORDER BY id LIMIT ?", (done, BATCH_ROWS)
    ):
        size += bytes_
        if size > BATCH_BYTES and last > done:
            break
        last = number
    connection.execute(
        "INSERT INTO search (rowid, body) SELECT id, body FROM mail WHERE id > ? AND id <= ?",
        (done, last),
    )
    connection.execute("UPDATE marks SET number = ? WHERE name = 'searchable'", (last,))


def matching(criteria: SearchCriteria, count: int) -> Query[tuple[Message, ...]]:
    """Read the newest indexed messages that match, oldest first."""
    conditions, values = _conditions(criteria)

    def query(connection: sqlite3.Connection) -> tuple[Message, ...]:
        choice = f"SELECT id FROM mail WHERE {conditions} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return listed(connection, choice, (*values, count))

    return query


_CONDITIONS = {
    "sender": SENT_BY,
    "inbox": "inbox = (SELECT id FROM inboxes WHERE name = ?)",
    "thread": "(thread = ? OR id = ?)",
    "since": "sent_at >= ?",
    "until": "sent_at < ?",
    "before": "id < ?",
}


def _conditions(criteria: SearchCriteria) -> tuple[str, list[Any]]:
    found, values = ["1"], list[Any]()
    if criteria.text is not None:
        found.append("id IN (SELECT rowid FROM search WHERE search MATCH ?)")
        values.append(fts_query(criteria.text))
    for name, condition in _CONDITIONS.items():
        value = getattr(criteria, name)
        if value is not None:
            found.append(condition)
            values += [value] * condition.count("?")
    return " AND ".join(found), values


def fts_query(text: str) -> str:
    """Return the words of a text as an FTS5 query without operators.

    A NUL would end the query. In bodies it separates words, too.
    """
    return " ".join(map(_term, text.replace("\0", " ").split() or [""]))


def _term(word: str) -> str:
    stem = word.rstrip("*")
    quoted = stem.replace('"', '""')
    return f'"{quoted}"*' if stem and stem != word else f'"{quoted}"'
