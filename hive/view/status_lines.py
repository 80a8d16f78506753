"""The status as plain lines, for pipes, files and terminals without cursor control.

Nothing is cut and no column is dropped: the reader of a pipe can do that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hive.escapes import block, inline
from hive.view.columns import COLUMNS, GAP, doing, known, natural_widths, shown, state, verdict
from hive.view.fact_words import context, memory, processors, tier, today
from hive.view.text import UNKNOWN, Glyphs, moment
from hive.view.urgency import WRONG, Row, in_order, unreadable, urgency


def status_lines(rows: Iterable[Row], now: float) -> list[str]:
    """Return the status table as aligned lines, titles first; without marks, for `awk`."""
    table = [shown(row, now)[1] for row in in_order(rows, now)]
    widths = natural_widths(table)
    titles = [column.title for column in COLUMNS]
    return [_aligned(line, [widths[column] for column in COLUMNS]) for line in (titles, *table)]


def details(row: Row, now: float, glyphs: Glyphs) -> list[str]:
    """Return everything about one participant, as `systemctl status` does."""
    try:
        facts = facts_of(row, now)
    except WRONG as error:
        row = unreadable(row, error)
        facts = facts_of(row, now)
    mark = glyphs.marks[urgency(row)]
    lines = [f"{mark} {inline(row.get('name'))} - {state(row)}"]
    width = max(len(title) for title, _ in facts)
    lines += [f"  {title:>{width}}: {value}" for title, value in facts]
    output = row.get("last_lines")
    if output:
        lines += ["", "Last lines:"]
        lines += [f"  {line}" for text in output for line in block(text)]
    return lines


def facts_of(row: Row, now: float) -> list[tuple[str, str]]:
    """Return titles and values: the first ones always, the rest only where they have a value."""
    what = inline(row.get("description") or "")
    always = [
        *([("Description", what)] if what else []),
        ("Kind", known(row, "kind")),
        ("Since", moment(row.get("since"), now)),
        ("Source", known(row, "source")),
        ("PID", known(row, "pid")),
        ("Reason", known(row, "reason")),
        ("Restarts", known(row, "restarts")),
        ("Unread", known(row, "unread")),
        ("Connected", _yes_no(row.get("connected"))),
        ("Last seen", moment(row.get("last_seen"), now)),
    ]
    due = row.get("next_restart_at")
    optional = [
        ("Restarts after", _delays(row.get("restart_delays"))),
        ("Next restart", moment(due, now) if due else ""),
        ("Observed", inline(row.get("observed") or "")),
        ("Last end", _last_end(row, now)),
        ("Cause", inline(row.get("cause") or "")),
        ("Verdict", verdict(row, now) if row.get("verdict") else ""),
        ("Tier", tier(row, now)),
        ("Oldest unread", moment(row["unread_since"], now) if row.get("unread_since") else ""),
        ("Turn since", moment(row["turn_since"], now) if row.get("turn_since") else ""),
        ("Context", context(row, now)),
        ("Today", today(row)),
        ("Memory", memory(row, now)),
        ("CPU", processors(row, now)),
        ("Result", inline(row.get("last_result") or "")),
        ("Status", _status_text(row, now)),
        ("Activity", _activity(row, now)),
        ("Reminders", inline(row.get("pending_reminders") or "")),
        ("Needs", ", ".join(word for word in ("login", "update") if row.get(f"needs_{word}"))),
        ("Conflict", inline(row.get("conflict") or "")),
        ("At restart", "; ".join(map(inline, row.get("differs") or ()))),
        ("Model", inline(row.get("active_model") or "")),
        ("Effort", inline(row.get("active_effort") or "")),
        ("Chosen model", inline(row.get("chosen_model") or "")),
        ("Chosen effort", inline(row.get("chosen_effort") or "")),
        ("Session", inline(row.get("session") or "")),
        ("Account", inline(row.get("account") or "")),
        ("Project", inline(row.get("project") or "")),
        ("Harness", inline(row.get("harness_version") or "")),
        ("Marked", _marks(row, now)),
        ("Deployed", inline(row.get("deployed_sha") or "")),
        ("Parent", inline(row.get("parent") or "")),
        ("URL", inline(row.get("url") or "")),
    ]
    return always + [(title, value) for title, value in optional if value]


def _delays(seconds: Sequence[float] | None) -> str:
    """Return the delays of the back-off, and the state after the last one."""
    if not seconds:
        return ""
    return ", ".join(f"{each:g} s" for each in seconds) + ", then failed"


def _yes_no(value: object) -> str:
    return UNKNOWN if value is None else "yes" if value else "no"


def _last_end(row: Row, now: float) -> str:
    why = row.get("last_end")
    return f"{inline(why)}, {moment(row.get('last_end_at'), now)}" if why else ""


def _marks(row: Row, now: float) -> str:
    """Return what the operator said about it by `attention`."""
    words = [word for word in ("pinned", "archived") if row.get(word)]
    if row.get("snoozed_until"):
        words.append(f"snoozed, wakes {moment(row['snoozed_until'], now)}")
    return ", ".join(words)


def _activity(row: Row, now: float) -> str:
    if not row.get("activity"):
        return ""
    if not row.get("activity_at"):
        return inline(row["activity"])
    return f"{doing(row, now)}, reported {moment(row['activity_at'], now)}"


def _status_text(row: Row, now: float) -> str:
    text = row.get("status_text")
    if not text:
        return ""
    when = row.get("status_set_at")
    return inline(text) + (f", {moment(when, now)}" if when else "")


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column.numeric else cell.ljust(width)
        for cell, width, column in zip(line, widths, COLUMNS, strict=True)
    )
    return (" " * GAP).join(padded).rstrip()
