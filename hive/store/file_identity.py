"""Makes sure that what is written can be found again under the store's name.

SQLite goes on writing to a file that was deleted or replaced, and reports success; only the next
start would show that those messages are gone (sqlite.org/howtocorrupt.html, section 2.4). Two calls
of stat(2) after each commit, about 3 microseconds, are the price of knowing before the answer.
"""

from __future__ import annotations

import os
from pathlib import Path

from attrs import frozen

from hive.store.errors import StoreLogMissingError, StoreMovedError

Identity = tuple[int, int]


@frozen
class Files:
    """Which files a connection writes to: the database and its write-ahead log.

    Attributes:
        path: Name of the database; text, because `os.stat` takes twice as long of a `Path`.
        log_path: Name of its write-ahead log.
        database: Device and inode behind that name when it was opened.
        log: The same of the log.
    """

    path: str
    log_path: str
    database: Identity | None
    log: Identity | None

    @classmethod
    def of(cls, path: Path) -> Files:
        """Note what a connection that is open has in its hands."""
        names = str(path), str(log_of(path))
        return cls(*names, *map(_identity, names))

    def check(self) -> None:
        """Look whether both are still what their names lead to.

        Raises:
            StoreMovedError: The database is not.
            StoreLogMissingError: The log is not.
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


def log_of(path: Path) -> Path:
    """Return the name of a database's write-ahead log."""
    return path.with_name(path.name + "-wal")


def _identity(path: str) -> Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast as pathlib, and it is on the hot path
    except OSError:
        return None
    return found.st_dev, found.st_ino
