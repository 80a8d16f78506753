"""Backup: a consistent copy of a store, with or without a running daemon.

`VACUUM INTO` reads everything in one transaction (sqlite.org/lang_vacuum.html#vacuuminto), so the
copy is a snapshot and no writer waits.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from attrs import frozen

from hive.errors import ConflictError, FailedError, NotFoundError
from hive.store.database import MODE
from hive.store.errors import StoreCorruptError, from_sqlite
from hive.store.schema import check, version_of


@frozen
class Backup:
    """A finished backup.

    Attributes:
        path: The file.
        size: Its size in bytes.
        version: Its schema version.
    """

    path: Path
    size: int
    version: int


def back_up(source: Path, target: Path, *, force: bool = False) -> Backup:
    """Copy the store at `source` to a temporary file, check it, publish it as `target`.

    Args:
        source: The store; a daemon may be using it.
        target: Path of the copy; its directory must exist.
        force: Replace an existing file.

    Raises:
        NotFoundError: There is no store.
        ConflictError: The target exists, or is the store itself.
        StoreError: The store cannot be read, or the copy cannot be written.
        FailedError: The directory of the target cannot be written, or that of the store not read.
    """
    if not exists(source):
        raise NotFoundError(f"there is no store {source}; HYPERHIVE_STATE_DIR says where it is")
    if target.resolve() == source.resolve():
        raise ConflictError(f"{target} is the store itself; name another file")
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not force:
            raise ConflictError(f"{target} exists; name another file, or replace it with --force")
        version = _copy(source, unfinished)
        _publish(unfinished, target, force=force)
    except OSError as error:
        raise FailedError(f"cannot write {target}: {error.strerror}") from error
    finally:
        with suppress(OSError):  # it may not exist
            unfinished.unlink()
    return Backup(target, target.stat().st_size, version)


def exists(path: Path) -> bool:
    """Return whether there is a store.

    Raises:
        FailedError: Its directory cannot be read.
    """
    try:
        return path.exists()
    except OSError as error:
        raise FailedError(
            f"the store {path} cannot be looked at: {error.strerror}; be the user that the daemon "
            "runs as, or set HYPERHIVE_STATE_DIR"
        ) from error


def _copy(source: Path, target: Path) -> int:
    """Copy to a new file and return the schema version of the copy."""
    made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    os.fchmod(made, MODE)  # a umask of 0777 leaves no rights to its owner
    os.close(made)
    try:
        with closing(open_read_only(source)) as connection:
            check(connection)
            connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        raise from_sqlite(error, source) from error
    try:
        with closing(open_read_only(target)) as connection:
            _require_intact(connection, target)
            return version_of(connection)
    except sqlite3.Error as error:
        raise from_sqlite(error, target) from error


def open_read_only(path: Path) -> sqlite3.Connection:
    """Return a connection that can neither change nor create the file."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def _require_intact(connection: sqlite3.Connection, path: Path) -> None:
    found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        raise StoreCorruptError(
            f"the copy {path} is damaged, so it was not kept: {found[0]}; "
            "look at the store with 'hive-c0re doctor'"
        )


def _publish(unfinished: Path, target: Path, *, force: bool) -> None:
    """Sync the copy and give it its name in one atomic step."""
    _sync(unfinished)
    if force:
        unfinished.replace(target)
    else:
        try:
            target.hardlink_to(unfinished)
        except FileExistsError:
            raise ConflictError(f"{target} has just appeared; it was left alone") from None
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
