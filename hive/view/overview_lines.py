"""The whole hive as aligned lines: titles and values; what is unknown is left out."""

from __future__ import annotations

from collections.abc import Mapping

from hive.escapes import inline
from hive.quantities import counted, plural
from hive.view.fact_words import size
from hive.view.lines import limit_line
from hive.view.text import age, moment
from hive.view.urgency import Row


def overview_lines(row: Row, now: float) -> list[str]:
    """Return the overview of a hive as lines.

    Args:
        row: The row, see `hive.wire.overview_rows.OverviewRow`.
        now: Unix time, for ages.
    """
    facts = [
        ("Hive", inline(row.get("name") or "")),
        ("Host", inline(row["host"])),
        ("Daemon", f"{inline(row['version'])}, up {age(row.get('started_at'), now)}"),
        ("Config", inline(row.get("config") or "none")),
        ("Agents", _counts(row.get("agents"))),
        ("Peers", _counts(row.get("peers"))),
        ("Frozen", _positive(row.get("frozen"), "agent")),
        ("Turns", _turns(row)),
        ("Mail", _mail(row)),
        ("Store", _store(row)),
        ("Trouble", inline(row.get("store_problem") or "")),
        *(("Limit", limit_line(each, now)) for each in row.get("limits") or ()),
        ("Stopping", inline(row.get("stopping") or "")),
        ("As of", moment(row.get("now"), now)),
    ]
    shown = [(title, value) for title, value in facts if value]
    width = max(len(title) for title, _ in shown)
    return [f"{title:>{width}}: {value}" for title, value in shown]


def _counts(counts: Mapping[str, int] | None) -> str:
    """Return `3: 2 running, 1 failed`, the most frequent state first; `none` without any."""
    if not counts:
        return "none"
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    words = ", ".join(f"{count} {inline(state)}" for state, count in ordered)
    return f"{sum(counts.values())}: {words}"


def _positive(count: int | None, noun: str) -> str:
    return counted(count, noun) if count else ""


def _turns(row: Row) -> str:
    limit = f" of {row['turns_limit']}" if row.get("turns_limit") is not None else ""
    waiting = row.get("turns_waiting")
    return f"{row.get('turns_running') or 0}{limit} run" + (f", {waiting} wait" if waiting else "")


def _mail(row: Row) -> str:
    rate = row.get("sent_per_second")
    unread = f"{row.get('operator_unread') or 0} unread for you"
    return (
        unread
        if rate is None
        else f"{unread}; {rate:g} {'message' if rate == 1 else plural('message')} a second"
    )


def _store(row: Row) -> str:
    sizes = [("", row.get("store_bytes")), (" free", row.get("store_free_bytes"))]
    words = [f"{size(count)}{what}" for what, count in sizes if count is not None]
    return ", ".join(["ok" if row.get("store_ok") else "takes no mail", *words])
