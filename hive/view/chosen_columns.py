"""The status table with the columns and the order that an operator has chosen. Pure.

Nothing is dropped and nothing is cut: whoever names columns knows how wide they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from hive.errors import BadRequestError
from hive.names import suggest
from hive.view.columns import COLUMNS, GAP, Column, known
from hive.view.text import UNKNOWN, age, seconds
from hive.view.urgency import Row, in_order

WIDE = "wide"
"""The word for all columns."""

HELP = "help"
"""The word for a list of the columns."""

ATTENTION = "attention"
"""The word for the order of the table without a choice."""


def _text(field: str) -> Column:
    return Column(field.replace("_", "-").upper(), lambda row, _: known(row, field))


def _age(title: str, field: str) -> Column:
    return Column(title, lambda row, now: age(row.get(field), now), numeric=True)


def _number(title: str, field: str, shown: Callable[[float], str]) -> Column:
    def cell(row: Row, now: float) -> str:
        value = row.get(field)
        return shown(value) if isinstance(value, int | float) else UNKNOWN

    return Column(title, cell, numeric=True)


def _bytes(number: float) -> str:
    for unit in ("", "K", "M", "G"):
        if number < _KIB:
            return f"{number:.0f}{unit}" if unit in {"", "K"} else f"{number:.1f}{unit}"
        number /= _KIB
    return f"{number:.1f}T"


MORE = (
    _text("activity"),
    _age("TURN", "turn_since"),
    _age("UNREAD-FOR", "unread_since"),
    _number("CONTEXT", "context_fill", lambda each: f"{each:.0%}"),
    _number("TOKENS", "tokens_today", lambda each: f"{each:.0f}"),
    _number("COST", "cost_today_usd", lambda each: f"${each:.2f}"),
    _number("MEMORY", "memory_bytes", _bytes),
    _number("CPU", "cpu_percent", lambda each: f"{each:.0f}%"),
    *map(_text, ("tier", "verdict", "cause", "reason", "last_end", "observed")),
    *map(_text, ("parent", "project", "account", "session", "deployed_sha", "description")),
    Column("MODEL", lambda row, _: known(row, "active_model")),
    Column("STATUS", lambda row, _: known(row, "status_text")),
)
"""The columns that only a choice shows."""

BY_NAME: Mapping[str, Column] = {each.title.lower(): each for each in (*COLUMNS, *MORE)}
"""All columns, by the words that name them."""

_FIELDS = {
    "for": "since",
    "seen": "last_seen",
    "turn": "turn_since",
    "unread-for": "unread_since",
    "unread": "unread",
    "restarts": "restarts",
    "pid": "pid",
    "context": "context_fill",
    "tokens": "tokens_today",
    "cost": "cost_today_usd",
    "memory": "memory_bytes",
    "cpu": "cpu_percent",
}
"""The fields by which the columns with numbers and times are sorted."""

_TIMES = frozenset({"for", "seen", "turn", "unread-for"})
"""Those of them that are times: the longest ago is the smallest."""

_KIB = 1024


def chosen(words: str) -> tuple[Column, ...]:
    """Return the columns that are named in a list with commas.

    Raises:
        BadRequestError: There is no such column.
    """
    if words.strip().lower() == WIDE:
        return tuple(BY_NAME.values())
    return tuple(_column(word) for word in words.split(","))


def help_lines() -> list[str]:
    """Return the names of all columns; those of the plain table first."""
    return [*BY_NAME]


def _column(word: str) -> Column:
    name = word.strip().lower()
    if name not in BY_NAME:
        ending = suggest(name, BY_NAME) or f"; '-o {HELP}' lists them"
        raise BadRequestError(f"there is no column {word.strip()!r}{ending}")
    return BY_NAME[name]


def sorted_rows(rows: Iterable[Row], order: str | None, now: float) -> list[Row]:
    """Return rows in an order: words from A, numbers from the largest, ages from the longest.

    Rows that do not have the value come last.

    Args:
        rows: The rows.
        order: Name of a column, with a `-` before it for the reverse order; None or `attention` for
            the most urgent first.
        now: Wall time in seconds.

    Raises:
        BadRequestError: There is no such column.
    """
    ordered = in_order(rows, now)
    if order is None or order == ATTENTION:
        return ordered
    name = order.removeprefix("-").strip().lower()
    column = _column(name)
    values = [(_value(row, name, column, now), row) for row in ordered]
    is_reverse = (name in _FIELDS) ^ (name in _TIMES) ^ order.startswith("-")
    those = [(value, row) for value, row in values if value is not None]
    found = sorted(those, key=lambda each: each[0], reverse=is_reverse)
    return [row for _, row in found] + [row for value, row in values if value is None]


def _value(row: Row, name: str, column: Column, now: float) -> float | str | None:
    """Return what a row is sorted by; None if it is unknown."""
    if name in _TIMES:
        return seconds(row.get(_FIELDS[name]))
    if name in _FIELDS:
        found = row.get(_FIELDS[name])
        return float(found) if isinstance(found, int | float) else None
    text = column.cell(row, now)
    return None if text == UNKNOWN else text.casefold()


def table_lines(rows: Sequence[Row], columns: Sequence[Column], now: float) -> list[str]:
    """Return rows as aligned lines, titles first."""
    table = [[column.title for column in columns]]
    table += [[_cell(column, row, now) for column in columns] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    return [
        (" " * GAP)
        .join(
            cell.rjust(width) if column.numeric else cell.ljust(width)
            for cell, width, column in zip(cells, widths, columns, strict=True)
        )
        .rstrip()
        for cells in table
    ]


def _cell(column: Column, row: Row, now: float) -> str:
    """Return a cell; one of another type than it should be costs no table."""
    try:
        return column.cell(row, now)
    except (TypeError, ValueError, AttributeError, KeyError):
        return UNKNOWN
