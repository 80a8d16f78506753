"""Errors of the store: one class for each cause, with a sentence that says what to do.

All are `UnavailableError`s: the request may be valid and may succeed later.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hive.errors import UnavailableError


class StoreError(UnavailableError):
    """The store cannot serve a request."""


class StoreClosedError(StoreError):
    """The store is closed, or was closed while a write was pending: its outcome is unknown."""


class StoreLockedError(StoreError):
    """Another program holds the store."""


class StoreReadOnlyError(StoreError):
    """The store's file or its directory cannot be written."""


class StoreCorruptError(StoreError):
    """The file is damaged, or is not a store of a hive."""


class StoreMovedError(StoreError):
    """The store's file was deleted or replaced while it was open."""


class StoreLogMissingError(StoreError):
    """The store's write-ahead log was deleted or replaced while it was open."""


class StoreFullError(StoreError):
    """The disk is full."""


class StoreDiskError(StoreError):
    """The disk or its file system fails to read or write."""


class StoreVersionError(StoreError):
    """The file was written by a newer version of this program."""


class StoreNotDurableError(StoreError):
    """SQLite cannot guarantee here that a commit is on disk."""


_BY_CODE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (
        StoreLockedError,
        "is locked by another program; end that program, then try again",
    ),
    sqlite3.SQLITE_LOCKED: (
        StoreLockedError,
        "is locked by another connection; try again",
    ),
    sqlite3.SQLITE_READONLY: (
        StoreReadOnlyError,
        "cannot be written; give the daemon's user write access to it and its directory",
    ),
    sqlite3.SQLITE_PERM: (
        StoreReadOnlyError,
        "may not be opened; give the daemon's user access to it and its directory",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        StoreReadOnlyError,
        "cannot be opened; check that its directory exists and may be written",
    ),
    sqlite3.SQLITE_CORRUPT: (
        StoreCorruptError,
        "is damaged; stop the daemon, keep a copy, and restore a backup",
    ),
    sqlite3.SQLITE_NOTADB: (
        StoreCorruptError,
        "is not an SQLite file; move it away or restore a backup",
    ),
    sqlite3.SQLITE_FULL: (
        StoreFullError,
        "cannot grow because the disk is full; make room",
    ),
    sqlite3.SQLITE_IOERR_SHMSIZE: (
        StoreFullError,
        "cannot be opened because the disk is full; make room",
    ),
    sqlite3.SQLITE_IOERR: (
        StoreDiskError,
        "cannot be read or written; look at the disk and at the kernel's log (dmesg)",
    ),
}

LASTING = (StoreCorruptError, StoreMovedError)
"""Errors after which more writes would do damage; only a restart ends them."""

_PRIMARY_CODE = 0xFF
"""The low byte of an extended result code (sqlite.org/rescode.html)."""


def from_sqlite(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the store's error for an error of SQLite, with SQLite's message in it."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    found = _BY_CODE.get(code) or _BY_CODE.get(code & _PRIMARY_CODE)
    cls, advice = found or (StoreError, "failed")
    return cls(f"the store {path} {advice} (SQLite: {error})")
