"""Names that stand for several participants, and names of work queues."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from hive.store.unit import Op


def members(connection: sqlite3.Connection) -> Mapping[str, frozenset[str]]:
    """Read the members of every group."""
    found: dict[str, set[str]] = {}
    for name, member in connection.execute("SELECT name, member FROM members"):
        found.setdefault(name, set()).add(member)
    return {name: frozenset(names) for name, names in found.items()}


def change(
    name: str, add: Iterable[str], remove: Iterable[str]
) -> Op[Mapping[str, frozenset[str]]]:
    """Put participants into a group and take others out; the value is all groups afterwards.

    A group begins with its first member and ends with its last.
    """
    added = [(name, member) for member in add]
    removed = [(name, member) for member in remove]

    def op(connection: sqlite3.Connection) -> Mapping[str, frozenset[str]]:
        connection.executemany("INSERT OR IGNORE INTO members VALUES (?, ?)", added)
        connection.executemany("DELETE FROM members WHERE name = ? AND member = ?", removed)
        return members(connection)

    return op


def queues(connection: sqlite3.Connection) -> Sequence[str]:
    """Read the names of all work queues."""
    return [name for (name,) in connection.execute("SELECT name FROM queues ORDER BY name")]


def remove_queue(name: str) -> Op[None]:
    """Forget a work queue; its messages are somebody else's business."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM queues WHERE name = ?", (name,))

    return op


def add_queue(name: str, now: float) -> Op[None]:
    """Keep a work queue."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR IGNORE INTO queues VALUES (?, ?)", (name, now))

    return op
