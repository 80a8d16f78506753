"""Queues that are Python libraries over SQLite, called on one thread.

They take one write at a time, so one thread without contention is their best case.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.delivery.systems.base import BODY, imported, without_module


class PersistQueue:
    """persist-queue's SQLiteAckQueue: WAL and synchronous=FULL, one commit for each message."""

    name = "persist-queue"

    @property
    def missing(self) -> str | None:
        """Why it cannot be run here."""
        return without_module("persistqueue", "persist-queue")

    def open(self, directory: Path) -> Callable[[], object]:
        """Open a queue in `directory`."""
        queue = imported("persistqueue").SQLiteAckQueue(str(directory), multithreading=True)
        return lambda: queue.put(BODY)


class Huey:
    """huey's SQLite storage with fsync=True; its default is not durable at all."""

    name = "huey fsync"

    @property
    def missing(self) -> str | None:
        """Why it cannot be run here."""
        return without_module("huey", "huey")

    def open(self, directory: Path) -> Callable[[], object]:
        """Open a queue in `directory`."""
        queue = imported("huey").SqliteHuey(filename=str(directory / "huey.db"), fsync=True)
        body = BODY.encode()
        return lambda: queue.storage.enqueue(body)


class LiteQueue:
    """litequeue: WAL and synchronous=NORMAL, so that a power failure takes the last messages."""

    name = "litequeue"

    @property
    def missing(self) -> str | None:
        """Why it cannot be run here."""
        return without_module("litequeue", "litequeue")

    def open(self, directory: Path) -> Callable[[], object]:
        """Open a queue in `directory`."""
        queue = imported("litequeue").LiteQueue(str(directory / "litequeue.db"))
        return lambda: queue.put(BODY)
