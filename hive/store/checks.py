"""Checks of a store by reading its file, with or without a running daemon."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from hive.clock import in_words
from hive.config import in_units
from hive.errors import FailedError
from hive.findings import Finding, Verdict
from hive.store.backup import exists, open_read_only
from hive.store.database import wal_path
from hive.store.errors import StoreError, StoreFullError, StoreLockedError, from_sqlite
from hive.store.schema import MIGRATIONS, OPEN, check, version_of

MIB = 1 << 20

LARGE_WAL = 64 * MIB
"""Bytes above which checkpoints of the daemon must have been blocked."""

LOW_SPACE = 256 * MIB
"""Free bytes below which the disk is nearly full."""

OLD_UNREAD = 86400.0
"""Seconds after which an unread message is a warning."""


Check = Callable[[sqlite3.Connection, Path, float], Finding]


def examine(path: Path, now: float) -> list[Finding]:
    """Check a store without changing it.

    Args:
        path: The SQLite file.
        now: Wall time in seconds, from which ages are counted.
    """
    try:
        found = exists(path)
    except FailedError as error:
        return [Finding("file", Verdict.WARNING, str(error))]
    if not found:
        remedy = "a daemon makes it at its first start; HYPERHIVE_STATE_DIR says where it is"
        return [Finding("file", Verdict.WARNING, f"there is no store {path}", remedy)]
    return list(_examine(path, now))


def _examine(path: Path, now: float) -> Iterator[Finding]:
    yield Finding("file", Verdict.OK, f"{path}, {in_units(path.stat().st_size)}")
    yield _free_space(path)
    try:
        with closing(open_read_only(path)) as connection:
            check(connection)
            for run_check in _CHECKS:
                yield run_check(connection, path, now)
    except sqlite3.Error as error:
        yield _failure(from_sqlite(error, path))
    except StoreError as error:
        yield _failure(error)


def _failure(error: StoreError) -> Finding:
    for cls, remedy in _NOT_EXAMINED.items():
        if isinstance(error, cls):
            return Finding("integrity", Verdict.WARNING, f"could not be looked at: {error}", remedy)
    return Finding("integrity", Verdict.PROBLEM, str(error), RESTORE)


RESTORE = (
    "stop the daemon, keep a copy of hive.sqlite*, put a backup in its place, start the daemon"
)

_NOT_EXAMINED: dict[type[StoreError], str] = {
    StoreLockedError: "if the daemon started on a full disk, it has the file for itself: make room",
    StoreFullError: "make room on this disk, then look again",
}
"""Errors that prevent the checks without being a damage, with their remedies."""


def _free_space(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    if free < LOW_SPACE:
        return Finding("room", Verdict.WARNING, f"{in_units(free)} free", "make room on this disk")
    return Finding("room", Verdict.OK, f"{in_units(free)} free")


def _integrity(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    if found == ["ok"]:
        return Finding("integrity", Verdict.OK, "every page and index is as it should be")
    return Finding(
        "integrity", Verdict.PROBLEM, f"faults: {len(found)}; the first: {found[0]}", RESTORE
    )


def _schema(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    found, known = version_of(connection), len(MIGRATIONS)
    if found == known:
        return Finding("schema", Verdict.OK, f"version {found}")
    seen = f"version {found}, this program knows {known}"
    return Finding(
        "schema", Verdict.WARNING, seen, "the next start of the daemon brings it up to date"
    )


def _durability(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode == "wal":
        return Finding("journal", Verdict.OK, "write-ahead log; each commit is synced")
    remedy = "the next start of the daemon switches it on; a backup has it off until then"
    return Finding("journal", Verdict.WARNING, f"mode {mode}, not wal", remedy)


def _wal(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    log = wal_path(path)
    size = log.stat().st_size if log.exists() else 0
    if size > LARGE_WAL:
        remedy = (
            "some program has had the store open for reading for long; end it ('fuser' finds it)"
        )
        return Finding("log", Verdict.WARNING, in_units(size), remedy)
    return Finding("log", Verdict.OK, in_units(size))


def _counts(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    rows = connection.execute("SELECT state, count(*) FROM messages GROUP BY state ORDER BY state")
    seen = ", ".join(f"{count} {state}" for state, count in rows)
    return Finding("messages", Verdict.OK, seen or "none")


def _oldest_unread(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    row = connection.execute(
        "SELECT id, inbox, sent_at FROM messages "  # noqa: S608 - own words
        f"WHERE id IN (SELECT id FROM mail WHERE {OPEN}) ORDER BY id LIMIT 1"
    ).fetchone()
    if row is None:
        return Finding("oldest", Verdict.OK, "nothing is unread")
    number, inbox, sent_at = row
    age = max(0.0, now - sent_at)
    seen = f"message {number} in {inbox!r} has been unread for {in_words(age)}"
    if age > OLD_UNREAD:
        remedy = f"see whether {inbox!r} works: 'hive-c0re inbox {inbox} --unread'"
        return Finding("oldest", Verdict.WARNING, seen, remedy)
    return Finding("oldest", Verdict.OK, seen)


_CHECKS: tuple[Check, ...] = (_integrity, _schema, _durability, _wal, _counts, _oldest_unread)
