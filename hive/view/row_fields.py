"""Fields of rows, each read with a default: an older daemon leaves some out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hive.view.text import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Row: TypeAlias = "Mapping[str, Any]"
"""A row as the host socket sends it, see `hive.wire.rows`."""

UNREADABLE = (TypeError, ValueError, KeyError, AttributeError)
"""What reading a row raises whose fields have other types than this version knows."""


def stamp(row: Row, name: str) -> float | None:
    """Return a time of a row as seconds since the epoch; None if it is absent or not one."""
    value = row.get(name)
    return seconds(value) if isinstance(value, str) else None


def whole(row: Row, name: str) -> int:
    """Return a number of a row as a whole one; 0 if it is absent or no number."""
    value = row.get(name)
    return int(value) if isinstance(value, int | float) else 0


def known_by(rows: Iterable[Row], key: str) -> Sequence[Row]:
    """Return rows each of which has the name or number that it is known by.

    Raises:
        TypeError: One is no object.
        KeyError: One has no such field.
    """
    found = list(rows)
    for row in found:
        if not isinstance(row[key], str | int):
            raise TypeError(f"{key} of a row is no text and no number")
    return found


def objects(value: object) -> Iterable[Row]:
    """Return the objects in a list; nothing if it is no list."""
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()
