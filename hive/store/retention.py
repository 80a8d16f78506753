"""Retention: deletes ended messages and old events in small batches.

Ended questions have the retention of messages, turns that of events, deploys and ended schedules
that of approvals. Of turns, events, ended questions, ended approvals and the audit only the newest
of each participant are kept; of deploys, the newest of each agent are kept whatever their age, for
a return to them.
Unused session rows are deleted once there are many of them.

There is no index of messages by age, since it would make every commit slower. Ids grow with time,
so a retention pass reads them in order on the reading connection and stops at a batch in which
every row is too recent to have ended long ago; a time to come is of a clock that was wrong, and
stops nothing. Each batch is then one short write among all others. The file does not shrink; its
free pages are used again. VACUUM would stop all writers meanwhile.

The highest deleted number is stored in `marks`, so that a reader with an older cursor is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from functools import partial
from math import inf

from attrs import frozen

from hive.config import Retention
from hive.store.schema import SYSTEM_SESSION
from hive.store.store import Store
from hive.store.transaction import Op, Query

BATCH_ROWS = 500
"""Most rows that one read examines, or one write deletes."""

REMOVABLE = "(state IN (3, 4) AND ended_at < ? OR inbox = 0)"
"""Condition of removable mail: acked or expired. Dead letters and unread mail are never removed.

Rows without an inbox are left over from a change of a deleted message (see `hive.store.bulk`).
"""

MESSAGES_GONE, EVENTS_GONE = "messages_gone", "events_gone"
"""Names of the marks."""


QUESTIONS_KEPT = 1000
"""Ended questions of one asker that are kept, whatever their age; their messages are mail."""

APPROVALS_KEPT = 10_000
"""Ended approvals that one participant asked for that are kept, whatever their age."""

AUDIT_KEPT = 100_000
"""Entries of the audit by one actor that are kept, whatever their age. Those of an agent that
submits and takes back without end push out only its own."""

DEPLOYS_KEPT = 100
"""Deploys of one agent that are always kept; older ones by the retention of approvals."""

MIN_SESSIONS = 10_000
"""Session rows that are always kept: to find the unused ones, all mail must be read."""


@frozen
class Candidates:
    """Rows of one batch that may be deleted.

    Attributes:
        ids: Their ids.
        last: The id after which the next batch begins; None after the last batch.
    """

    ids: Sequence[int]
    last: int | None


async def apply_retention(
    store: Store,
    retention: Retention,
    now: float,
    in_use: Callable[[], Collection[int]] = tuple,
) -> int:
    """Delete everything whose retention is over.

    Args:
        store: An open store.
        retention: Seconds for which each kind of row is kept.
        now: Wall time in seconds.
        in_use: Returns the numbers of the open sessions.

    Returns:
        The number of deleted rows.

    Raises:
        StoreError: The store cannot be read or written.
    """
    deleted = 0
    for find, delete, age in (
        (partial(find_messages, now=now), delete_messages, retention.messages),
        (partial(find_events, now=now), delete_events, retention.events),
        (find_ended("questions"), delete_ended("questions"), retention.messages),
        (find_ended("turns"), delete_ended("turns"), retention.events),
        (find_ended("approvals"), delete_ended("approvals"), retention.approvals),
        (find_ended("schedules"), delete_ended("schedules"), retention.approvals),
        (find_old_deploys, delete_ended("deploys"), retention.approvals),
        (partial(find_audit, now=now), delete_audit, retention.audit),
    ):
        last: int | None = 0
        while last is not None:
            found = await store.read(find(last, now - age))
            if found.ids:
                deleted += await store.write(delete(found.ids, now - age))
            last = found.last
    deleted += await _delete_surplus(store, TURNS, retention.turns_kept)
    deleted += await _delete_surplus(store, EVENTS, retention.events_kept)
    deleted += await _delete_surplus(store, QUESTIONS, QUESTIONS_KEPT)
    deleted += await _delete_surplus(store, APPROVALS, APPROVALS_KEPT)
    deleted += await _delete_surplus(store, AUDIT, AUDIT_KEPT)
    return deleted + await _delete_unused_sessions(store, in_use)


async def _delete_surplus(store: Store, table: Surplus, most: int) -> int:
    """Delete the oldest rows of each participant that has more than `most`; return their number."""
    deleted = 0
    for name, surplus in await store.read(table.find(most)):
        for start in range(0, surplus, BATCH_ROWS):
            count = min(surplus - start, BATCH_ROWS)
            deleted += await store.write(table.delete_oldest(name, count))
    return deleted


@frozen
class Surplus:
    """A table whose rows belong to participants, of each of whom only the newest are kept.

    Attributes:
        table: Its name.
        key: The column by which the oldest rows are found.
        owner: The column with the participant.
        condition: Condition of the rows that count.
        mark: The name of its mark; None without one.
    """

    table: str
    key: str
    owner: str = "name"
    condition: str = "name IS NOT NULL"
    mark: str | None = None

    def find(self, most: int) -> Query[list[tuple[str, int]]]:
        """Find the participants with more than `most` rows, and by how many."""
        statement = (
            f"SELECT {self.owner}, count(*) - ? FROM {self.table} "  # noqa: S608 - our own names
            f"WHERE {self.condition} GROUP BY {self.owner} HAVING count(*) > ?"
        )
        return lambda connection: connection.execute(statement, (most, most)).fetchall()

    def delete_oldest(self, name: str, count: int) -> Op[int]:
        """Delete the oldest rows of a participant; the value is their number."""
        oldest = (
            f"SELECT {self.key} FROM {self.table} "  # noqa: S608 - our own names
            f"WHERE {self.owner} = ? AND {self.condition} ORDER BY {self.key} LIMIT ?"
        )

        def op(connection: sqlite3.Connection) -> int:
            found = [number for (number,) in connection.execute(oldest, (name, count))]
            connection.execute(
                f"DELETE FROM {self.table} "  # noqa: S608 - our own names
                f"WHERE {self.owner} = ? AND {self.key} IN ({_placeholders(found)})",
                (name, *found),
            )
            if self.mark is not None and found:
                _raise_mark(connection, self.mark, found[-1])
            return len(found)

        return op


TURNS = Surplus("turns", "started_at")
EVENTS = Surplus("events", "seq", mark=EVENTS_GONE)
APPROVALS = Surplus("approvals", "id", owner="requested_by", condition="ended_at IS NOT NULL")
AUDIT = Surplus("audit", "seq", owner="actor", condition="seq > 0")
QUESTIONS = Surplus("questions", "id", owner="asker", condition="ended_at IS NOT NULL")


async def _delete_unused_sessions(store: Store, in_use: Callable[[], Collection[int]]) -> int:
    """Delete sessions that no message and no receipt refers to.

    An open session may be referred to at any time. A session that is not open now, with a number
    from before, has sent its last request; when one more write is on disk, so is that request.
    """
    count, last = await store.read(count_sessions)
    if count <= MIN_SESSIONS:
        return 0
    open_ones = set(in_use())
    await store.write(_nothing)
    unused = await store.read(find_unused_sessions(last))
    ids = [number for number in unused if number not in open_ones]
    for start in range(0, len(ids), BATCH_ROWS):
        await store.write(_delete_sessions(ids[start : start + BATCH_ROWS]))
    return len(ids)


def find_messages(after: int, before: float, now: float = inf) -> Query[Candidates]:
    """Find messages with an id above `after` that ended before a wall time; `now` is another."""

    def query(connection: sqlite3.Connection) -> Candidates:
        rows = connection.execute(
            f"SELECT id, {REMOVABLE}, sent_at < ? OR sent_at > ? FROM mail "  # noqa: S608 - own words
            "WHERE id > ? ORDER BY id LIMIT ?",
            (before, before, now, after, BATCH_ROWS),
        ).fetchall()
        return _candidates(rows)

    return query


def find_events(after: int, before: float, now: float = inf) -> Query[Candidates]:
    """Find events with a number above `after` from before a wall time; `now` is another."""

    def query(connection: sqlite3.Connection) -> Candidates:
        rows = connection.execute(
            "SELECT seq, at < ?, at < ? OR at > ? FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
            (before, before, now, after, BATCH_ROWS),
        ).fetchall()
        return _candidates(rows)

    return query


def delete_messages(ids: Sequence[int], before: float) -> Op[int]:
    """Delete those of these messages that are still ended; the value is their number."""

    def op(connection: sqlite3.Connection) -> int:
        deleted = connection.execute(
            f"DELETE FROM mail WHERE id IN ({_placeholders(ids)}) AND {REMOVABLE}",  # noqa: S608
            (*ids, before),
        ).rowcount
        _raise_mark(connection, MESSAGES_GONE, ids[-1])
        return deleted

    return op


def delete_events(ids: Sequence[int], before: float) -> Op[int]:
    """Delete these events; the value is their number."""

    def op(connection: sqlite3.Connection) -> int:
        deleted = connection.execute(
            f"DELETE FROM events WHERE seq IN ({_placeholders(ids)}) AND at < ?",  # noqa: S608
            (*ids, before),
        ).rowcount
        _raise_mark(connection, EVENTS_GONE, ids[-1])
        return deleted

    return op


def find_ended(table: str) -> Callable[[int, float], Query[Candidates]]:
    """Return the query for rows of a table with an index by `ended_at`, as `find_messages`."""

    def find(after: int, before: float) -> Query[Candidates]:
        def query(connection: sqlite3.Connection) -> Candidates:
            rows = connection.execute(
                f"SELECT id FROM {table} WHERE ended_at < ? AND id > ? "  # noqa: S608 - our own name
                "ORDER BY id LIMIT ?",
                (before, after, BATCH_ROWS),
            ).fetchall()
            has_more = len(rows) == BATCH_ROWS
            return Candidates([row[0] for row in rows], rows[-1][0] if has_more else None)

        return query

    return find


def delete_ended(table: str) -> Callable[[Sequence[int], float], Op[int]]:
    """Return the write that deletes rows of a table, as `delete_messages`."""

    def delete(ids: Sequence[int], before: float) -> Op[int]:
        statement = f"DELETE FROM {table} WHERE id IN ({_placeholders(ids)}) AND ended_at < ?"  # noqa: S608
        return lambda connection: connection.execute(statement, (*ids, before)).rowcount

    return delete


def find_old_deploys(after: int, before: float) -> Query[Candidates]:
    """Find ended deploys as `find_messages`, without the newest `DEPLOYS_KEPT` of each agent."""

    def query(connection: sqlite3.Connection) -> Candidates:
        rows = connection.execute(
            "SELECT id FROM (SELECT id, ended_at, row_number() OVER "
            "(PARTITION BY name ORDER BY id DESC) AS place FROM deploys) "
            "WHERE place > ? AND ended_at < ? AND id > ? ORDER BY id LIMIT ?",
            (DEPLOYS_KEPT, before, after, BATCH_ROWS),
        ).fetchall()
        return Candidates(
            [row[0] for row in rows], rows[-1][0] if len(rows) == BATCH_ROWS else None
        )

    return query


def find_audit(after: int, before: float, now: float = inf) -> Query[Candidates]:
    """Find entries of the audit with a number above `after`, as `find_events`."""

    def query(connection: sqlite3.Connection) -> Candidates:
        rows = connection.execute(
            "SELECT seq, at < ?, at < ? OR at > ? FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
            (before, before, now, after, BATCH_ROWS),
        ).fetchall()
        return _candidates(rows)

    return query


def delete_audit(seqs: Sequence[int], before: float) -> Op[int]:
    """Delete these entries of the audit; the value is their number."""
    statement = f"DELETE FROM audit WHERE seq IN ({_placeholders(seqs)}) AND at < ?"  # noqa: S608
    return lambda connection: connection.execute(statement, (*seqs, before)).rowcount


def count_sessions(connection: sqlite3.Connection) -> tuple[int, int]:
    """Read the number of session rows and the highest number of a session."""
    count, last = connection.execute("SELECT count(*), max(id) FROM sessions").fetchone()
    return count, last


def find_unused_sessions(last: int) -> Query[list[int]]:
    """Find the sessions up to the number `last` that no message and no receipt refers to."""

    def query(connection: sqlite3.Connection) -> list[int]:
        rows = connection.execute(
            "SELECT id FROM sessions WHERE id > ? AND id <= ? EXCEPT SELECT sender FROM mail "
            "EXCEPT SELECT session FROM mail EXCEPT SELECT session FROM receipts",
            (SYSTEM_SESSION, last),
        )
        return [number for (number,) in rows]

    return query


def _nothing(connection: sqlite3.Connection) -> None:
    """Write nothing: a barrier, committed only after all writes before it."""


def _delete_sessions(ids: Sequence[int]) -> Op[None]:
    def op(connection: sqlite3.Connection) -> None:
        connection.execute(f"DELETE FROM sessions WHERE id IN ({_placeholders(ids)})", ids)  # noqa: S608

    return op


def _candidates(rows: Sequence[tuple[int, int, int]]) -> Candidates:
    """Return the candidates among rows of an id, whether it is removable, whether more follow it.

    More may follow a row that is old, or whose time says nothing because it is to come.
    """
    has_more = len(rows) == BATCH_ROWS and any(goes_on for _, _, goes_on in rows)
    return Candidates([row[0] for row in rows if row[1]], rows[-1][0] if has_more else None)


def _raise_mark(connection: sqlite3.Connection, name: str, number: int) -> None:
    connection.execute("UPDATE marks SET number = max(number, ?) WHERE name = ?", (number, name))


def _placeholders(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids))
