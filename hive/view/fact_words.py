"""Facts of a status row in words, each with its age: tier, context, tokens, memory, processors."""

from __future__ import annotations

from hive.escapes import inline
from hive.quantities import plural
from hive.view.text import age
from hive.view.urgency import Row

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def size(count: float) -> str:
    """Return a number of bytes in its largest unit: `812 B`, `1.5 GiB`."""
    value, unit = float(count), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def tier(row: Row, now: float) -> str:
    """Return how much a participant concerns the operator, and for how long it has."""
    if not row.get("tier"):
        return ""
    return f"{inline(row['tier'])} {_for(row.get('tier_since'), now)}".rstrip()


def context(row: Row, now: float) -> str:
    """Return the fill of the model's context, and when the harness reported it."""
    fill = row.get("context_fill")
    if fill is None:
        return ""
    return f"{100 * fill:.0f} % full, reported by its harness {_ago(row.get('context_at'), now)}"


def today(row: Row) -> str:
    """Return what the turns of today used."""
    if row.get("tokens_today") is None:
        return ""
    cost = row.get("cost_today_usd")
    tokens = row["tokens_today"]
    words = f"{tokens:,} {'token' if tokens == 1 else plural('token')}"
    return words + (f", ${cost:.2f}" if cost is not None else ", cost unknown")


def memory(row: Row, now: float) -> str:
    """Return the memory that an agent uses, and when it was read."""
    found = row.get("memory_bytes")
    return "" if found is None else f"{size(found)}, read {_ago(row.get('resources_at'), now)}"


def processors(row: Row, now: float) -> str:
    """Return the processor time that an agent uses, and when it was read."""
    found = row.get("cpu_percent")
    if found is None:
        return ""
    return f"{found:.1f} % of one, read {_ago(row.get('resources_at'), now)}"


def _for(since: str | None, now: float) -> str:
    return f"for {age(since, now)}" if since else ""


def _ago(at: str | None, now: float) -> str:
    return f"{age(at, now)} ago"
