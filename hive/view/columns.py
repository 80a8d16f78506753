"""The columns of the status table: their cells, and which of them a narrow terminal drops.

The plain and the rich rendering both use this table.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence

from hive.escapes import inline
from hive.view.text import UNKNOWN, Glyphs, age, due, until
from hive.view.urgency import WRONG, Row, Urgency, unreadable, urgency

GAP = 2
"""Spaces between columns."""

NOTE_MIN = 32
"""Minimum cells of the last column; other columns are dropped to reach it."""

_FLAGS = {"paused": "paused", "frozen": "frozen_since"}
"""Fields that say whether a state has a flag, by the word for it."""

_QUIET = frozenset({None, "unknown", "idle"})
"""Activities that a note does not mention."""


class Column(namedtuple("Column", "title cell numeric", defaults=(False,))):
    """One column: its title, and its cell for a row at a wall time in seconds."""

    __slots__ = ()

    title: str
    cell: Callable[[Row, float], str]
    numeric: bool


def known(row: Row, field: str) -> str:
    """Return a field as one safe line, `-` if it is absent or empty."""
    value = row.get(field)
    return UNKNOWN if value is None or value == "" else inline(value)


def state(row: Row) -> str:
    """Return the state in words; `unknown` if the row has none."""
    word = inline(row.get("state") or "unknown")
    flags = [flag for flag in ("paused", "frozen") if row.get(_FLAGS[flag])]
    return ", ".join((word, *flags))


def note(row: Row, now: float) -> str:
    """Return the most important facts: activity, reason with its cause, and status text."""
    parts: list[str] = []
    if row.get("next_restart_at"):
        parts.append(f"restarts {due(row['next_restart_at'], now)}")
    if row.get("needs_login"):
        parts.append("needs login")
    if row.get("needs_update"):
        parts.append("needs update")
    if row.get("activity") not in _QUIET and not row.get("needs_login"):
        parts.append(doing(row, now))
    if row.get("reason"):
        parts.append(inline(row["reason"]) + _cause(row))
    if row.get("verdict"):
        parts.append(verdict(row, now))
    if row.get("conflict"):
        parts.append(inline(row["conflict"]))
    if row.get("status_text") and urgency(row) in {Urgency.RUNNING, Urgency.PEER}:
        when = row.get("status_set_at")
        parts.append(inline(row["status_text"]) + (f" ({age(when, now)} ago)" if when else ""))
    return "; ".join(parts) or UNKNOWN


def _cause(row: Row) -> str:
    """Return why an agent failed, after a colon; nothing if the reason says it."""
    cause = inline(row.get("cause") or "")
    return "" if cause in inline(row["reason"]) else f": {cause}"


def verdict(row: Row, now: float) -> str:
    """Return the verdict on the turns of a participant: since when, and from what it is drawn."""
    words = inline(row["verdict"]).replace("_", " ")
    source = row.get("verdict_source")
    return f"{words} {age(row.get('verdict_since'), now)}" + (
        f" (by {inline(source)})" if source else ""
    )


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


def shown(row: Row, now: float) -> tuple[Row, tuple[str, ...]]:
    """Return a row with its cells; one that cannot be shown is replaced by its name and why.

    A newer daemon, or a fault of it, may send a value of another type; it costs one row.
    """
    try:
        return row, tuple(column.cell(row, now) for column in COLUMNS)
    except WRONG as error:
        plain = unreadable(row, error)
        return plain, tuple(column.cell(plain, now) for column in COLUMNS)


def cells(row: Row, now: float, glyphs: Glyphs) -> tuple[str, ...]:
    """Return the text of every column for one row; the name has the mark of its urgency."""
    row, found = shown(row, now)
    name, *rest = found
    return (f"{glyphs.marks[urgency(row)]} {name}", *rest)


def _others(columns: Sequence[Column], widths: Mapping[Column, int]) -> int:
    """Return the cells that all columns but the note need, with gaps."""
    return sum(widths[column] + GAP for column in columns if column is not NOTE)
