"""What needs the operator, as plain lines: one for each item, and one for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hive.escapes import inline
from hive.view.text import UNKNOWN, age, due

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Row: TypeAlias = "Mapping[str, Any]"
"""An item as the host socket sends it, see `hive.wire.attention.AttentionRow`."""

SETTLED_BY = {
    "question": "answer {number} TEXT",
    "approval": "approve {number}",
    "login": "status {name}",
    "failure": "start {name}",
    "verdict": "watch {name}",
    "dead_letter": "replay {number}",
    "mail": "attention read {id}",
}
"""The command line that settles an item of each kind, without the program."""


KIND_OF_ACTION = {
    "answer": "question",
    "approve": "approval",
    "deny": "approval",
    "start": "failure",
    "replay": "dead_letter",
    "discard": "dead_letter",
    "read": "mail",
}
"""The kind of item that each action of `attention` settles."""


def command_of(row: Row) -> str:
    """Return the command that settles an item."""
    words = SETTLED_BY.get(row["kind"], "attention")
    return "hive-c0re " + inline(words.format_map({**row, "name": row.get("name")}))


def is_waiting(row: Row) -> bool:
    """Return whether an item is to be looked at now: it is neither snoozed nor archived."""
    return not row.get("archived") and not row.get("snoozed_until")


def attention_lines(rows: Sequence[Row], now: float) -> list[str]:
    """Return a line for each item: id, kind, participant, age, what it blocks, text, command."""
    table = [_cells(row, now) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join([*map(str.ljust, cells, widths), _rest(row, now)])
        for cells, row in zip(table, rows, strict=True)
    ]


def _cells(row: Row, now: float) -> list[str]:
    blocks = ", ".join(map(inline, row.get("blocks") or ()))
    return [
        inline(row["id"]),
        inline(row["kind"]),
        inline(row.get("name") or UNKNOWN),
        age(row.get("since"), now),
        f"blocks {blocks}" if blocks else UNKNOWN,
    ]


def _rest(row: Row, now: float) -> str:
    parts = [inline(row["text"])]
    if row.get("options"):
        parts.append("[" + " | ".join(map(inline, row["options"])) + "]")
    if row.get("expires_at"):
        parts.append(f"{inline(row.get('on_expiry') or 'expires')} {due(row['expires_at'], now)}")
    if row.get("snoozed_until"):
        parts.append(f"[snoozed, wakes {due(row['snoozed_until'], now)}]")
    parts += [f"[{word}]" for word in ("pinned", "archived") if row.get(word)]
    return "  ".join([*parts, f"-> {command_of(row)}"])


def statusline(rows: Sequence[Row], working: int, now: float, gap: str) -> str:
    """Return what a bar shows: `4 need you (1 failed, oldest 12m) · 5 working`.

    Args:
        rows: The items that wait.
        working: The number of running turns.
        now: Unix time.
        gap: What stands between the parts.
    """
    needs = f"{len(rows)} need{'s' if len(rows) == 1 else ''} you" if rows else "all quiet"
    about = []
    if failed := sum(row["kind"] == "failure" for row in rows):
        about.append("failed" if len(rows) == 1 else f"{failed} failed")
    if oldest := oldest_of(rows):
        about.append(f"oldest {age(oldest, now)}")
    if about:
        needs += f" ({', '.join(about)})"
    return gap.join((needs, f"{working} working"))


def oldest_of(rows: Sequence[Row]) -> str | None:
    """Return when the oldest item began; None if that is unknown."""
    return min((row["since"] for row in rows if row.get("since")), default=None)
