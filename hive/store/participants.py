"""Participants, groups and work queues: writes and reads of their tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from hive.store import attention_marks
from hive.store.records import Desired, Kind, ParticipantOrigin, ParticipantRecord
from hive.store.schema import OPEN
from hive.store.transaction import Op

_COLUMNS = tuple(attribute.name for attribute in attrs.fields(ParticipantRecord))

_UPSERT = (
    f"INSERT OR REPLACE INTO participants ({', '.join(_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)

_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM participants ORDER BY name"  # noqa: S608

_PURGE = (
    "DELETE FROM mail WHERE inbox = (SELECT id FROM inboxes WHERE name = ?) "  # noqa: S608
    f"AND NOT {OPEN}"
)
"""Messages that have not ended stay: one may just have been replayed."""


def upsert(record: ParticipantRecord) -> Op[None]:
    """Insert or replace one participant."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute(_UPSERT, [getattr(record, column) for column in _COLUMNS])

    return op


def delete(name: str, *, purge: bool) -> Op[None]:
    """Delete one participant; with `purge`, also every ended message of its inbox.

    The schedules of its messages are marked, also for one that gets its name afterwards. The
    operator's marks of it are removed.
    """

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM participants WHERE name = ?", (name,))
        connection.execute(
            "UPDATE schedules SET orphaned = 1 WHERE name = ? AND ended_at IS NULL", (name,)
        )
        attention_marks.forget(connection, name)
        if purge:
            connection.execute(_PURGE, (name,))

    return op


def all_participants(connection: sqlite3.Connection) -> tuple[ParticipantRecord, ...]:
    """Read every participant, sorted by name."""
    return tuple(_record(row) for row in connection.execute(_SELECT))


def groups(connection: sqlite3.Connection) -> Mapping[str, frozenset[str]]:
    """Read the members of every group."""
    found: dict[str, set[str]] = {}
    for name, member in connection.execute("SELECT name, member FROM members"):
        found.setdefault(name, set()).add(member)
    return {name: frozenset(names) for name, names in found.items()}


def change_group(
    name: str, add: Iterable[str], remove: Iterable[str]
) -> Op[Mapping[str, frozenset[str]]]:
    """Add participants to a group and remove others; the value is all groups afterwards.

    A group exists while it has members.
    """
    added = [(name, member) for member in add]
    removed = [(name, member) for member in remove]

    def op(connection: sqlite3.Connection) -> Mapping[str, frozenset[str]]:
        connection.executemany("INSERT OR IGNORE INTO members VALUES (?, ?)", added)
        connection.executemany("DELETE FROM members WHERE name = ? AND member = ?", removed)
        return groups(connection)

    return op


def queues(connection: sqlite3.Connection) -> Sequence[str]:
    """Read the names of all work queues."""
    return [name for (name,) in connection.execute("SELECT name FROM queues ORDER BY name")]


def remove_queue(name: str) -> Op[None]:
    """Delete a work queue, but not its messages."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM queues WHERE name = ?", (name,))

    return op


def add_queue(name: str, now: float) -> Op[None]:
    """Insert a work queue; do nothing if it exists."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR IGNORE INTO queues VALUES (?, ?)", (name, now))

    return op


def _record(row: tuple[Any, ...]) -> ParticipantRecord:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["kind"] = Kind(values["kind"])
    values["desired"] = Desired(values["desired"])
    values["origin"] = ParticipantOrigin(values["origin"])
    values["paused"] = bool(values["paused"])
    values["broadcast"] = bool(values["broadcast"])
    return ParticipantRecord(**values)
