"""The columns of the table of participants, as the interactive view and the dashboard have it."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable

from hive.escapes import inline
from hive.view.columns import known, note
from hive.view.columns import state as state_words
from hive.view.row_fields import UNREADABLE, Row, stamp
from hive.view.text import UNKNOWN, age, due

_TEN = 10
"""Numbers below it have one digit after the point."""

STALE = 60.0
"""Seconds after which a measured value is marked as old."""

OLD = "~"
"""The mark of a value that is older than `STALE`; the help explains it."""


class AgentColumn(namedtuple("AgentColumn", "title cell numeric", defaults=(True,))):
    """One column: its title, and its cell for a row at a wall time in seconds."""

    __slots__ = ()

    title: str
    cell: Callable[[Row, float], str]
    numeric: bool


def bytes_words(value: object) -> str:
    """Return a number of bytes in its largest unit; `-` if it is unknown."""
    if not isinstance(value, int | float):
        return UNKNOWN
    for size, unit in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")):
        if value >= size:
            scaled = value / size
            return f"{scaled:.{int(scaled < _TEN)}f}{unit}"
    return f"{value:.0f}B"


def count_words(value: object) -> str:
    """Return a number with `k` or `M`; `-` if it is unknown."""
    if not isinstance(value, int | float):
        return UNKNOWN
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}"


def now_words(row: Row, now: float) -> str:
    """Return what a participant does, or why it does not: the cause in words, if it is known."""
    parts = []
    if row.get("cause"):
        if row.get("next_restart_at"):
            parts.append(f"restarts {due(row['next_restart_at'], now)}")
        parts.append(inline(row["cause"]))
    if not row.get("cause") or not (row.get("failed") or row.get("state") == "backoff"):
        words = note(row, now)
        parts += [words] if words != UNKNOWN or not parts else []
    return "; ".join(parts)


def _share(row: Row, now: float) -> str:
    fill = row.get("context_fill")
    if not isinstance(fill, int | float):
        return UNKNOWN
    return f"{fill * 100:.0f}%" + _old(row, "context_at", now)


def _cost(row: Row, _: float) -> str:
    cost = row.get("cost_today_usd")
    return f"${cost:.2f}" if isinstance(cost, int | float) else UNKNOWN


def _memory(row: Row, now: float) -> str:
    words = bytes_words(row.get("memory_bytes"))
    return words if words == UNKNOWN else words + _old(row, "resources_at", now)


def _processor(row: Row, now: float) -> str:
    share = row.get("cpu_percent")
    if not isinstance(share, int | float):
        return UNKNOWN
    return f"{share:.0f}%" + _old(row, "resources_at", now)


def _old(row: Row, name: str, now: float) -> str:
    at = stamp(row, name)
    return OLD if at is not None and now - at > STALE else ""


NAME = AgentColumn("NAME", lambda row, _: known(row, "name"), numeric=False)
STATE = AgentColumn("STATE", lambda row, _: state_words(row), numeric=False)
FOR = AgentColumn("FOR", lambda row, now: age(row.get("since"), now))
NOW = AgentColumn("NOW", now_words, numeric=False)
IN = AgentColumn("IN", lambda row, _: known(row, "unread"))
OLDEST = AgentColumn("OLDEST", lambda row, now: age(row.get("unread_since"), now))
TURN = AgentColumn("TURN", lambda row, now: age(row.get("turn_since"), now))
CTX = AgentColumn("CTX", _share)
TOKENS = AgentColumn("TOKENS", lambda row, _: count_words(row.get("tokens_today")))
COST = AgentColumn("COST", _cost)
MEM = AgentColumn("MEM", _memory)
CPU = AgentColumn("CPU", _processor)
RST = AgentColumn("RST", lambda row, _: known(row, "restarts"))
SEEN = AgentColumn("SEEN", lambda row, now: age(row.get("last_seen"), now))

AGENT_COLUMNS = (
    *(NAME, STATE, FOR, NOW, IN, OLDEST, TURN, CTX, TOKENS, COST, MEM, CPU, RST, SEEN),
)
"""All columns, left to right."""


def cells_of(row: Row, now: float) -> tuple[str, ...]:
    """Return the text of every column; a row that cannot be read has `unknown` in place of it."""
    try:
        return tuple(column.cell(row, now) for column in AGENT_COLUMNS)
    except UNREADABLE:
        return tuple(
            inline(row.get("name"))
            if column is NAME
            else "unreadable"
            if column is NOW
            else UNKNOWN
            for column in AGENT_COLUMNS
        )
