"""Connections that keep the promise "committed is on disk", and refuse to open without it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from errno import ENOSPC
from pathlib import Path
from tempfile import TemporaryFile

from hive.locks import FileLock, LockHeldError
from hive.store.errors import StoreFullError, StoreLockedError, StoreNotDurableError
from hive.store.schema import MIGRATIONS, Migration, check, migrate, require_current

BUSY_SECONDS = 5.0
"""How long SQLite waits for another program's lock before it reports it."""

CHECKPOINT_PAGES = 2000
"""WAL pages after which the writer checkpoints. 1000 to 4000 measured alike; less is slower."""

DURABILITY = "journal_mode=wal synchronous=full"
"""What every writing connection is checked for before it is used."""

ROOM = 1 << 18
"""Bytes that must be free before a store is opened for writing: its log and the log's index."""

_FULL = 2
"""What `PRAGMA synchronous` answers for FULL."""


class StoreLock(FileLock):
    """The right to be the one writer of a store.

    It is a file of its own: closing any descriptor of the database itself would drop the locks
    that SQLite holds on it in this process (sqlite.org/howtocorrupt.html, section 2.2).

    Args:
        store: The store's file; the lock's name is that with `.lock` behind it.
    """

    def __init__(self, store: Path) -> None:
        super().__init__(store.with_name(store.name + ".lock"), 0o600)
        self._store = store

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            StoreLockedError: When another process, or another store of this one, has it.
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
    """Create the file if need be, switch it to WAL, bring its tables up to date.

    A file that must not be used is not changed.

    Args:
        path: The file.
        connect: The class of the connection.
        migrations: What makes the tables.

    Raises:
        sqlite3.Error: As SQLite reports it.
        StoreError: When the file must not be used.
    """
    connection = connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        check(connection, migrations)
        make_durable(connection)
        migrate(connection, migrations)
    finally:
        connection.close()


def make_durable(connection: sqlite3.Connection) -> None:
    """Set a writing connection up and check that the settings hold.

    Raises:
        StoreNotDurableError: When the file system cannot do WAL, or SQLite ignored a setting.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    require_durable(connection)


def require_durable(connection: sqlite3.Connection) -> None:
    """Check that a commit of this connection is on disk before it returns.

    `synchronous` belongs to the connection, not to the file: each writer must be checked. In WAL
    mode anything below FULL may lose the last commits when the power fails
    (sqlite.org/pragma.html#pragma_synchronous).

    Raises:
        StoreNotDurableError: When it is not so.
    """
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != _FULL:
        raise StoreNotDurableError(
            f"SQLite runs with journal_mode={mode} synchronous={level}, needed are wal and {_FULL} "
            "(FULL); keep the state directory on a local file system"
        )


def make_lone_reader(connection: sqlite3.Connection) -> None:
    """Set up the only connection to a store on a full disk: it reads and needs no further file.

    With this locking mode SQLite keeps the index of the log in memory, not in a file that would
    have to be made (sqlite.org/wal.html#noshm). So there can be no other connection.

    Raises:
        StoreVersionError: The tables are not those that this program reads.
    """
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    make_reader(connection)
    check(connection)
    require_current(connection)


def require_room(path: Path) -> None:
    """Look whether the disk of a store has room to open it for writing.

    Raises:
        StoreFullError: It has not.
    """
    try:
        with TemporaryFile(dir=path.parent) as trial:
            os.posix_fallocate(trial.fileno(), 0, ROOM)
    except OSError as error:
        if error.errno == ENOSPC:
            raise StoreFullError(
                f"the store {path} cannot be opened because the disk is full; make room"
            ) from error


def make_reader(connection: sqlite3.Connection) -> None:
    """Set a reading connection up: it cannot write."""
    connection.execute("PRAGMA query_only = ON")
