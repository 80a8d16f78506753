"""The operator's marks, and the items that were notified; writes and reads of their tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from hive.store.transaction import Op

ITEM_PREFIXES = ("failed-", "login-", "verdict-")
"""What stands before the name of a participant in ids of items."""

COMING_PREFIXES = ("login-", "verdict-")
"""Ids of items that are not known before a harness has connected: their absence means nothing."""

_TABLES = {"attention_marks": "key", "attention_notified": "id"}
"""The tables with ids of items, and their column."""


@frozen
class Mark:
    """What the operator said about an item or a participant.

    Attributes:
        key: The id of the item, or the name of the participant.
        since: When the item began that it is about, empty if that is unknown; None for a
            participant. An item that begins again is another one.
        pinned: Whether it is shown first.
        archived: Whether it is out of sight.
        snoozed_until: When it wakes, or has woken; None without a snooze.
    """

    key: str
    since: str | None = None
    pinned: bool = False
    archived: bool = False
    snoozed_until: float | None = None

    def is_snoozed(self, now: float) -> bool:
        """Return whether it sleeps at a wall time."""
        return self.snoozed_until is not None and now < self.snoozed_until

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.pinned or self.archived or self.snoozed_until is not None)


def marks(connection: sqlite3.Connection) -> list[Mark]:
    """Read all marks."""
    rows = connection.execute(
        "SELECT key, since, pinned, archived, snoozed_until FROM attention_marks ORDER BY key"
    )
    return [
        Mark(key, since, bool(pinned), bool(archived), until)
        for key, since, pinned, archived, until in rows
    ]


def save_mark(mark: Mark, gone: Iterable[str] = ()) -> Op[None]:
    """Store a mark, or remove it if it is empty; and remove those with the keys of `gone`."""
    keys = [*gone, *([mark.key] if mark.is_empty else [])]

    def op(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "DELETE FROM attention_marks WHERE key = ?", [(key,) for key in keys]
        )
        if not mark.is_empty:
            connection.execute(
                "INSERT OR REPLACE INTO attention_marks VALUES (?, ?, ?, ?, ?)",
                (mark.key, mark.since, mark.pinned, mark.archived, mark.snoozed_until),
            )

    return op


def notified(connection: sqlite3.Connection) -> dict[str, str]:
    """Read which items were notified: the occurrence of each, by id."""
    return dict(connection.execute("SELECT id, occurrence FROM attention_notified"))


def save_notified(found: Mapping[str, str], gone: Sequence[str] = ()) -> Op[None]:
    """Store that items were notified, by id, and forget others."""

    def op(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "DELETE FROM attention_notified WHERE id = ?", [(each,) for each in gone]
        )
        connection.executemany(
            "INSERT OR REPLACE INTO attention_notified VALUES (?, ?)", list(found.items())
        )

    return op


def rename(connection: sqlite3.Connection, old: str, new: str) -> None:
    """Give the rows of a participant and of its items another name."""
    for table, column in _TABLES.items():
        for prefix in ("", *ITEM_PREFIXES):
            connection.execute(
                f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {column} = ?",  # noqa: S608
                (prefix + new, prefix + old),
            )


def forget(connection: sqlite3.Connection, name: str) -> None:
    """Remove the rows of a participant and of its items."""
    for table, column in _TABLES.items():
        connection.executemany(
            f"DELETE FROM {table} WHERE {column} = ?",  # noqa: S608 - own words
            [(prefix + name,) for prefix in ("", *ITEM_PREFIXES)],
        )
