"""The columns of the status table: their cells, and which of them a narrow terminal drops.

The plain and the rich rendering both use this table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from hive.escapes import inline
from hive.view.text import UNKNOWN, Glyphs, age, until
from hive.view.urgency import Row, Urgency, urgency

GAP = 2
"""Spaces between columns."""

NOTE_MIN = 32
"""Minimum cells of the last column; other columns are dropped to reach it."""

_QUIET = frozenset({None, "unknown", "idle"})
"""Activities that a note does not mention."""


class Column(NamedTuple):
    """One column: its title, and its cell for a row at a wall time in seconds."""

    title: str
    cell: Callable[[Row, float], str]
    numeric: bool = False


def known(row: Row, field: str) -> str:
    """Return a field as one safe line, `-` if it is absent or empty."""
    value = row.get(field)
    return UNKNOWN if value is None or value == "" else inline(value)


def state(row: Row) -> str:
    """Return the state in words; `unknown` if the row has none."""
    word = inline(row.get("state") or "unknown")
    return f"{word}, paused" if row.get("paused") else word


def note(row: Row, now: float) -> str:
    """Return the most important fact: why it does not run, or its activity and status text."""
    parts: list[str] = []
    if row.get("next_restart_at"):
        parts.append(f"restarts in {until(row['next_restart_at'], now)}")
    if row.get("needs_login"):
        parts.append("needs login")
    if row.get("needs_update"):
        parts.append("needs update")
    if row.get("activity") not in _QUIET and not row.get("needs_login"):
        parts.append(doing(row, now))
    said = "status_text" if urgency(row) in {Urgency.RUNNING, Urgency.PEER} else "reason"
    if row.get(said):
        parts.append(inline(row[said]))
    return "; ".join(parts) or UNKNOWN


def doing(row: Row, now: float) -> str:
    """Return the activity that a harness has reported: since when, and about what."""
    words = f"{inline(row.get('activity') or 'unknown')} {age(row.get('activity_since'), now)}"
    if row.get("activity_until"):
        words += f", {until(row['activity_until'], now)} to go"
    about = row.get("activity_about")
    return f"{words}: {inline(about)}" if about else words


NAME = Column("NAME", lambda row, _: known(row, "name"))
STATE = Column("STATE", lambda row, _: state(row))
FOR = Column("FOR", lambda row, now: age(row.get("since"), now), numeric=True)
UNREAD = Column("UNREAD", lambda row, _: known(row, "unread"), numeric=True)
SEEN = Column("SEEN", lambda row, now: age(row.get("last_seen"), now), numeric=True)
KIND = Column("KIND", lambda row, _: known(row, "kind"))
RESTARTS = Column("RESTARTS", lambda row, _: known(row, "restarts"), numeric=True)
PID = Column("PID", lambda row, _: known(row, "pid"), numeric=True)
SOURCE = Column("SOURCE", lambda row, _: known(row, "source"))
NOTE = Column("NOTE", note)

COLUMNS = (NAME, STATE, FOR, UNREAD, SEEN, KIND, RESTARTS, PID, SOURCE, NOTE)
"""All columns, left to right."""

DROPPED = (PID, SOURCE, RESTARTS, KIND, SEEN, UNREAD)
"""The order in which a narrow terminal drops columns. NAME, STATE, FOR and NOTE always stay."""


def fit(widths: Mapping[Column, int], width: int) -> dict[Column, int]:
    """Return the columns that fit into a width, in order, with the width of each.

    Args:
        widths: Cells that each column needs.
        width: Cells of the terminal.
    """
    shown = list(COLUMNS)
    for column in DROPPED:
        if _others(shown, widths) + min(widths[NOTE], NOTE_MIN) <= width:
            break
        shown.remove(column)
    room = max(width - _others(shown, widths), 1)
    return {column: widths[column] for column in shown} | {NOTE: min(widths[NOTE], room)}


def natural_widths(cells: Iterable[Sequence[str]]) -> dict[Column, int]:
    """Return the width of each column with its title, for rows of cells in column order."""
    widths = {column: len(column.title) for column in COLUMNS}
    for row in cells:
        for column, cell in zip(COLUMNS, row, strict=True):
            widths[column] = max(widths[column], len(cell))
    return widths


def cells(row: Row, now: float, glyphs: Glyphs) -> tuple[str, ...]:
    """Return the text of every column for one row; the name has the mark of its urgency."""
    name, *rest = (column.cell(row, now) for column in COLUMNS)
    return (f"{glyphs.marks[urgency(row)]} {name}", *rest)


def _others(columns: Sequence[Column], widths: Mapping[Column, int]) -> int:
    """Return the cells that all columns but the note need, with gaps."""
    return sum(widths[column] + GAP for column in columns if column is not NOTE)
