"""Connections to the SQLite file: lock, durability settings, and the identity of the open files.

A commit must be on disk when it returns; a file for which SQLite cannot guarantee that is not
opened.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from tempfile import TemporaryFile

from attrs import frozen

from hive.locks import FileLock, LockHeldError
from hive.store.errors import (
    StoreFullError,
    StoreLockedError,
    StoreLogMissingError,
    StoreMovedError,
    StoreNotDurableError,
)
from hive.store.schema import MIGRATIONS, Migration, check, migrate, require_current

BUSY_SECONDS = 5.0
"""Time for which SQLite waits for the lock of another program before it fails."""

MODE = 0o600
"""Mode of the store's files: they contain all mail."""

CHECKPOINT_PAGES = 2000
"""WAL pages after which the writer checkpoints. 1000 to 4000 measured alike; less is slower."""

DURABILITY = "journal_mode=wal synchronous=full"
"""The settings that every writing connection is checked for."""

MIN_FREE_BYTES = 1 << 18
"""Free bytes needed to open a store for writing: for the log and the index of the log."""

_FULL = 2
"""Value of `PRAGMA synchronous` for FULL."""


Identity = tuple[int, int]
"""Device and inode of a file."""


class StoreLock(FileLock):
    """The lock of the one writer of a store.

    It is a separate file: closing any descriptor of the database itself would drop the locks that
    SQLite holds on it in this process (sqlite.org/howtocorrupt.html, section 2.2).

    Args:
        store: The store's file; the lock file has its name and the suffix `.lock`.
    """

    def __init__(self, store: Path) -> None:
        super().__init__(store.with_name(store.name + ".lock"), 0o600)
        self._store = store

    def acquire(self) -> None:
        """Acquire the lock.

        Raises:
            StoreLockedError: Another process, or another store of this one, has it.
        """
        try:
            super().acquire()
        except OSError as error:
            raise StoreLockedError(
                f"the store's lock {self.path} cannot be opened: {error.strerror}; "
                "check that the directory exists and may be written"
            ) from error
        except LockHeldError as held:
            raise StoreLockedError(
                f"the store {self._store} is already open in process {held.pid or 'unknown'}; "
                "only one may write it, so end that one first"
            ) from None


def prepare(
    path: Path,
    connect: type[sqlite3.Connection] = sqlite3.Connection,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Create the file if it is missing, switch it to WAL, migrate its tables.

    A file of another program or a newer version is not changed.

    Args:
        path: The file.
        connect: The class of the connection.
        migrations: The migrations of the tables.

    Raises:
        sqlite3.Error: An error of SQLite.
        StoreError: The file must not be used.
    """
    _make_private(path)
    connection = connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        check(connection, migrations)
        make_durable(connection)
        migrate(connection, migrations)
    finally:
        connection.close()


def _make_private(path: Path) -> None:
    """Make an empty file for its owner only, or take the rights of others from one that exists.

    SQLite gives the mode of this file to its log and its index, for any umask. An error is left to
    SQLite, which fails at the same file.
    """
    with suppress(OSError):
        # The descriptor of a file that is only found takes no locks of SQLite with it (see above).
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
        except FileExistsError:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != MODE:
                os.chmod(f"/proc/self/fd/{descriptor}", MODE)  # noqa: PTH101 - by descriptor
        finally:
            os.close(descriptor)


def make_durable(connection: sqlite3.Connection) -> None:
    """Set up a writing connection and check its settings.

    Raises:
        StoreNotDurableError: The file system cannot do WAL, or SQLite ignored a setting.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    require_durable(connection)


def require_durable(connection: sqlite3.Connection) -> None:
    """Check that a commit of this connection is on disk when it returns.

    `synchronous` belongs to the connection, not to the file: each writer must be checked. In WAL
    mode anything below FULL may lose the last commits when the power fails
    (sqlite.org/pragma.html#pragma_synchronous).

    Raises:
        StoreNotDurableError: It is not.
    """
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != _FULL:
        raise StoreNotDurableError(
            f"SQLite runs with journal_mode={mode} synchronous={level}, needed are wal and {_FULL} "
            "(FULL); keep the state directory on a local file system"
        )


def make_exclusive_reader(connection: sqlite3.Connection) -> None:
    """Set up a reading connection that creates no file, for a full disk.

    In exclusive locking mode SQLite holds the index of the log in memory instead of a file
    (sqlite.org/wal.html#noshm). No other connection is possible at the same time.

    Raises:
        StoreVersionError: The file needs a migration, or is of a newer version.
    """
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    make_reader(connection)
    check(connection)
    require_current(connection)


def require_free_space(path: Path) -> None:
    """Check that the disk has the free space to open a store for writing.

    Raises:
        StoreFullError: It has not.
    """
    try:
        with TemporaryFile(dir=path.parent) as trial:
            os.posix_fallocate(trial.fileno(), 0, MIN_FREE_BYTES)
    except OSError as error:
        if error.errno == ENOSPC:
            raise StoreFullError(
                f"the store {path} cannot be opened because the disk is full; make room"
            ) from error


def make_reader(connection: sqlite3.Connection) -> None:
    """Set up a reading connection: it cannot write."""
    connection.execute("PRAGMA query_only = ON")


@frozen
class OpenFiles:
    """Identity of the files that a connection has open: the database and its write-ahead log.

    SQLite continues to write to a file that was deleted or replaced, and reports success; only the
    next start would show that those messages are lost (sqlite.org/howtocorrupt.html, section 2.4).
    So both files are checked after each commit, before it is reported: two calls of stat(2), about
    3 microseconds.

    Attributes:
        path: Name of the database; a string, because `os.stat` of a `Path` takes twice as long.
        log_path: Name of its write-ahead log.
        database: Device and inode of the database; None if it is missing.
        log: Device and inode of the log; None if it is missing.
    """

    path: str
    log_path: str
    database: Identity | None
    log: Identity | None

    @classmethod
    def of(cls, path: Path) -> OpenFiles:
        """Record the identity of the files of an open connection."""
        names = str(path), str(wal_path(path))
        return cls(*names, *map(_identity, names))

    def check(self) -> None:
        """Check that both names still lead to the open files.

        Raises:
            StoreMovedError: That of the database does not.
            StoreLogMissingError: That of the log does not.
        """
        if _identity(self.path) != self.database:
            raise StoreMovedError(
                f"the store {self.path} was deleted or replaced while it was open, so what was "
                "just written may be lost; stop the daemon, put the file or a backup back, start"
            )
        if _identity(self.log_path) != self.log:
            raise StoreLogMissingError(
                f"the log {self.log_path} was deleted or replaced while the store was open; "
                "the store is opened again to save what was in it"
            )


def wal_path(path: Path) -> Path:
    """Return the path of the write-ahead log of a database."""
    return path.with_name(path.name + "-wal")


def _identity(path: str) -> Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast as pathlib, and it is on the hot path
    except OSError:
        return None
    return found.st_dev, found.st_ino
