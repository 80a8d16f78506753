"""Who takes part: writes and reads of the participants table."""

from __future__ import annotations

import sqlite3
from typing import Any

import attrs

from hive.store.records import Desired, Kind, ParticipantOrigin, ParticipantRecord
from hive.store.schema import OPEN
from hive.store.unit import Op

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
"""What the broker still holds stays: it may have been replayed at this very moment."""


def upsert(record: ParticipantRecord) -> Op[None]:
    """Write one participant whole."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute(_UPSERT, [getattr(record, column) for column in _COLUMNS])

    return op


def delete(name: str, *, purge: bool) -> Op[None]:
    """Remove one participant; with `purge`, every message of its inbox that is at its end, too."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM participants WHERE name = ?", (name,))
        if purge:
            connection.execute(_PURGE, (name,))

    return op


def all_of_them(connection: sqlite3.Connection) -> tuple[ParticipantRecord, ...]:
    """Read every participant, sorted by name."""
    return tuple(_record(row) for row in connection.execute(_SELECT))


def _record(row: tuple[Any, ...]) -> ParticipantRecord:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["kind"] = Kind(values["kind"])
    values["desired"] = Desired(values["desired"])
    values["origin"] = ParticipantOrigin(values["origin"])
    values["paused"] = bool(values["paused"])
    values["broadcast"] = bool(values["broadcast"])
    return ParticipantRecord(**values)
