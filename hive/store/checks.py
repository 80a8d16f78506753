"""What can be told about a store by looking at its file, with or without a daemon.

Each finding says what was looked at, whether it is good, what was seen, and what to do about it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from hive.errors import FailedError
from hive.findings import Finding, Verdict
from hive.store.backup import is_there, open_read_only
from hive.store.errors import StoreError, StoreFullError, StoreLockedError, from_sqlite
from hive.store.file_identity import log_of
from hive.store.schema import MIGRATIONS, OPEN, check, version_of

MIB = 1 << 20

LONG_LOG = 64 * MIB
"""Bytes of a log that a daemon's own checkpoints should never let it reach."""

LITTLE_ROOM = 256 * MIB
"""Bytes free below which the disk is said to be nearly full."""

LONG_UNREAD = 86400.0
"""Seconds after which an unacked message is worth a look."""


Check = Callable[[sqlite3.Connection, Path, float], Finding]


def examine(path: Path, now: float) -> list[Finding]:
    """Look at a store without changing anything.

    Args:
        path: The SQLite file.
        now: Wall seconds, which ages are counted from.
    """
    try:
        found = is_there(path)
    except FailedError as error:
        return [Finding("file", Verdict.WARNING, str(error))]
    if not found:
        remedy = "a daemon makes it at its first start; HYPERHIVE_STATE_DIR says where it is"
        return [Finding("file", Verdict.WARNING, f"there is no store {path}", remedy)]
    return list(_examine(path, now))


def _examine(path: Path, now: float) -> Iterator[Finding]:
    yield Finding("file", Verdict.OK, f"{path}, {_mib(path.stat().st_size)}")
    yield _room(path)
    try:
        with closing(open_read_only(path)) as connection:
            check(connection)
            for look in _CHECKS:
                yield look(connection, path, now)
    except sqlite3.Error as error:
        yield _broken(from_sqlite(error, path))
    except StoreError as error:
        yield _broken(error)


def _broken(error: StoreError) -> Finding:
    for cls, remedy in _UNSEEN.items():
        if isinstance(error, cls):
            return Finding("integrity", Verdict.WARNING, f"could not be looked at: {error}", remedy)
    return Finding("integrity", Verdict.PROBLEM, str(error), RESTORE)


RESTORE = (
    "stop the daemon, keep a copy of hive.sqlite*, put a backup in its place, start the daemon"
)

_UNSEEN: dict[type[StoreError], str] = {
    StoreLockedError: "if the daemon started on a full disk, it has the file for itself: make room",
    StoreFullError: "make room on this disk, then look again",
}
"""What hides a store without saying anything about it, and what to do."""


def _room(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    if free < LITTLE_ROOM:
        return Finding("room", Verdict.WARNING, f"{_mib(free)} free", "make room on this disk")
    return Finding("room", Verdict.OK, f"{_mib(free)} free")


def _integrity(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    if found == ["ok"]:
        return Finding("integrity", Verdict.OK, "every page and index is as it should be")
    return Finding("integrity", Verdict.PROBLEM, f"{len(found)} faults: {found[0]}", RESTORE)


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


def _log(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    log = log_of(path)
    size = log.stat().st_size if log.exists() else 0
    if size > LONG_LOG:
        remedy = (
            "some program has had the store open for reading for long; end it ('fuser' finds it)"
        )
        return Finding("log", Verdict.WARNING, _mib(size), remedy)
    return Finding("log", Verdict.OK, _mib(size))


def _counts(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    rows = connection.execute("SELECT state, count(*) FROM messages GROUP BY state ORDER BY state")
    seen = ", ".join(f"{count} {state}" for state, count in rows)
    return Finding("messages", Verdict.OK, seen or "none")


def _oldest(connection: sqlite3.Connection, path: Path, now: float) -> Finding:
    row = connection.execute(
        "SELECT id, inbox, sent_at FROM messages "  # noqa: S608 - own words
        f"WHERE id IN (SELECT id FROM mail WHERE {OPEN}) ORDER BY id LIMIT 1"
    ).fetchone()
    if row is None:
        return Finding("oldest", Verdict.OK, "nothing is unread")
    number, inbox, sent_at = row
    age = max(0.0, now - sent_at)
    seen = f"message {number} in {inbox!r} is unread since {age / 3600:.1f} h"
    if age > LONG_UNREAD:
        remedy = f"see whether {inbox!r} works: 'hive-c0re inbox {inbox} --unread'"
        return Finding("oldest", Verdict.WARNING, seen, remedy)
    return Finding("oldest", Verdict.OK, seen)


_CHECKS: tuple[Check, ...] = (_integrity, _schema, _durability, _log, _counts, _oldest)


def _mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB"
