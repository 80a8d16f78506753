"""What is kept how long: what has ended and what has happened goes after a while, in small pieces.

Questions that have ended go with messages, turns with events. The rows of connections that
nothing names any more go when there are many of them.

There is no index of messages by age: it would make every commit dearer. Ids grow with time, so a
sweep goes through them in order on the reading connection, and stops where all rows were sent too
recently to have ended long ago. Each piece is then one short write among all others. The file does
not shrink; its free pages are used again. VACUUM would stop all writers for its time.

What has gone is marked, so that a reader who comes back with an old cursor is told of the gap.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence

from attrs import frozen

from hive.config import Retention
from hive.store.schema import SYSTEM_SESSION
from hive.store.store import Store
from hive.store.unit import Op, Query

PIECE = 500
"""Rows that are looked at, or deleted, at once."""

GOES = "(state IN (3, 4) AND ended_at < ? OR inbox = 0)"
"""What goes: acked, expired. Dead letters wait for the operator; unread mail stays for ever.

What is in no inbox is left of a change of a message that was deleted (see `hive.store.bulk`).
"""

MESSAGES_GONE, EVENTS_GONE = "messages_gone", "events_gone"
"""Names of the marks."""


MANY_SESSIONS = 10_000
"""Rows of connections that are always kept: to see which are unused, all mail must be read."""


@frozen
class Piece:
    """What a look at some rows has found.

    Attributes:
        ids: Rows that may go.
        last: Where the next look begins; None when there is nothing behind it.
    """

    ids: Sequence[int]
    last: int | None


async def sweep(
    store: Store,
    retention: Retention,
    now: float,
    in_use: Callable[[], Collection[int]] = tuple,
) -> int:
    """Delete everything that has been kept long enough at the wall time `now`.

    Args:
        store: An open store.
        retention: What is kept how long.
        now: Wall seconds.
        in_use: Returns the numbers of the sessions that are open.

    Returns:
        How many rows went.

    Raises:
        StoreError: The store cannot be read or written.
    """
    gone = 0
    for found, drop_found, age in (
        (ended_messages, drop_messages, retention.messages),
        (old_events, drop_events, retention.events),
        (ended("questions"), drop("questions"), retention.messages),
        (ended("turns"), drop("turns"), retention.events),
    ):
        last: int | None = 0
        while last is not None:
            piece = await store.read(found(last, now - age))
            if piece.ids:
                gone += await store.write(drop_found(piece.ids, now - age))
            last = piece.last
    return gone + await _sweep_sessions(store, in_use)


async def _sweep_sessions(store: Store, in_use: Callable[[], Collection[int]]) -> int:
    """Delete sessions that no message and no receipt names.

    A session that is open may be named again at any time. What is not open now and has a number
    that was given before has said its last; once a further write is on disk, so is that.
    """
    count, last = await store.read(known_sessions)
    if count <= MANY_SESSIONS:
        return 0
    open_ones = set(in_use())
    await store.write(_nothing)
    unused = await store.read(unused_sessions(last))
    ids = [number for number in unused if number not in open_ones]
    for start in range(0, len(ids), PIECE):
        await store.write(_drop_sessions(ids[start : start + PIECE]))
    return len(ids)


def ended_messages(after: int, before: float) -> Query[Piece]:
    """Find messages behind the id `after` that ended before a time."""

    def query(connection: sqlite3.Connection) -> Piece:
        rows = connection.execute(
            f"SELECT id, {GOES}, sent_at < ? FROM mail "  # noqa: S608 - own words
            "WHERE id > ? ORDER BY id LIMIT ?",
            (before, before, after, PIECE),
        ).fetchall()
        return _piece(rows)

    return query


def old_events(after: int, before: float) -> Query[Piece]:
    """Find events behind the number `after` that are older than a time."""

    def query(connection: sqlite3.Connection) -> Piece:
        rows = connection.execute(
            "SELECT seq, at < ?, at < ? FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
            (before, before, after, PIECE),
        ).fetchall()
        return _piece(rows)

    return query


def drop_messages(ids: Sequence[int], before: float) -> Op[int]:
    """Delete those of these messages that are still ended; the value is how many went."""

    def op(connection: sqlite3.Connection) -> int:
        gone = connection.execute(
            f"DELETE FROM mail WHERE id IN ({_marks(ids)}) AND {GOES}",  # noqa: S608
            (*ids, before),
        ).rowcount
        _mark(connection, MESSAGES_GONE, ids[-1])
        return gone

    return op


def drop_events(ids: Sequence[int], before: float) -> Op[int]:
    """Delete these events; the value is how many went."""

    def op(connection: sqlite3.Connection) -> int:
        gone = connection.execute(
            f"DELETE FROM events WHERE seq IN ({_marks(ids)}) AND at < ?",  # noqa: S608
            (*ids, before),
        ).rowcount
        _mark(connection, EVENTS_GONE, ids[-1])
        return gone

    return op


def ended(table: str) -> Callable[[int, float], Query[Piece]]:
    """Return what finds rows of a small table that ended before a time; it has an index for it."""

    def found(after: int, before: float) -> Query[Piece]:
        def query(connection: sqlite3.Connection) -> Piece:
            rows = connection.execute(
                f"SELECT id FROM {table} WHERE ended_at < ? AND id > ? "  # noqa: S608 - our own name
                "ORDER BY id LIMIT ?",
                (before, after, PIECE),
            ).fetchall()
            return Piece([row[0] for row in rows], rows[-1][0] if len(rows) == PIECE else None)

        return query

    return found


def drop(table: str) -> Callable[[Sequence[int], float], Op[int]]:
    """Return what deletes rows of a small table that ended before a time."""

    def drop_found(ids: Sequence[int], before: float) -> Op[int]:
        statement = f"DELETE FROM {table} WHERE id IN ({_marks(ids)}) AND ended_at < ?"  # noqa: S608
        return lambda connection: connection.execute(statement, (*ids, before)).rowcount

    return drop_found


def known_sessions(connection: sqlite3.Connection) -> tuple[int, int]:
    """Read how many sessions there are, and the number of the latest."""
    count, last = connection.execute("SELECT count(*), max(id) FROM sessions").fetchone()
    return count, last


def unused_sessions(last: int) -> Query[list[int]]:
    """Find the sessions up to the number `last` that no message and no receipt names."""

    def query(connection: sqlite3.Connection) -> list[int]:
        rows = connection.execute(
            "SELECT id FROM sessions WHERE id > ? AND id <= ? EXCEPT SELECT sender FROM mail "
            "EXCEPT SELECT session FROM mail EXCEPT SELECT session FROM receipts",
            (SYSTEM_SESSION, last),
        )
        return [number for (number,) in rows]

    return query


def _nothing(connection: sqlite3.Connection) -> None:
    """Write nothing; but whoever waits for that has waited for all that was written before."""


def _drop_sessions(ids: Sequence[int]) -> Op[None]:
    def op(connection: sqlite3.Connection) -> None:
        connection.execute(f"DELETE FROM sessions WHERE id IN ({_marks(ids)})", ids)  # noqa: S608

    return op


def _piece(rows: Sequence[tuple[int, int, int]]) -> Piece:
    """Make a piece of rows with their id, whether they may go, and whether they are old at all."""
    goes_on = len(rows) == PIECE and any(is_old for _, _, is_old in rows)
    return Piece([row[0] for row in rows if row[1]], rows[-1][0] if goes_on else None)


def _mark(connection: sqlite3.Connection, name: str, number: int) -> None:
    connection.execute("UPDATE marks SET number = max(number, ?) WHERE name = ?", (number, name))


def _marks(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids))
