"""Turns, live events, questions and limits as plain lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hive.view.escape import block, inline
from hive.view.times import age, span, until

Row = Mapping[str, Any]


def turn_line(row: Row) -> str:
    """Return one turn: when, how it ended, how long it took, what began it, what it cost."""
    parts = [
        inline(row["started_at"]),
        f"{inline(row['outcome']):<9}",
        f"{span(row.get('seconds') or 0.0):>4}",
        inline(row["wake"]),
    ]
    if row.get("messages"):
        parts.append("for " + ", ".join(f"#{inline(number)}" for number in row["messages"]))
    if row.get("model"):
        parts.append(inline(row["model"]))
    parts.append(_tokens(row))
    if row.get("cost_usd") is not None:
        parts.append(f"${row['cost_usd']:.4f}")
    if row.get("tools"):
        used = (f"{inline(name)}={inline(count)}" for name, count in row["tools"].items())
        parts.append(" ".join(used))
    if row.get("note"):
        parts.append(inline(row["note"]))
    return "  ".join(parts)


def live_lines(row: Row) -> list[str]:
    """Return one live event: time of day and kind, then its text, indented where it goes on."""
    first, *more = block(row["text"])
    clock = inline(row["at"]).partition("T")[2].partition(".")[0]
    return [f"{clock}  {inline(row['kind']):<11}  {first}".rstrip(), *(_indented(more, 23))]


def question_lines(row: Row, now: float) -> list[str]:
    """Return one question: a line about it, then what was asked and proposed, indented."""
    head = f"#{inline(row['id'])}  {inline(row['asker'])} -> {inline(row['to'])}"
    head += f"  {age(row.get('asked_at'), now)} ago  [{inline(row['state'])}]"
    if row.get("expires_at") and row["state"] == "open":
        head += f"  in {until(row['expires_at'], now)}: {inline(row['on_expiry'])}"
    if row.get("answer") is not None:
        head += f"  {inline(row.get('answered_by'))}: {inline(row['answer'])}"
    options = [f"- {inline(option)}" for option in row.get("options") or ()]
    return [head, *_indented([*block(row["question"]), *options], 4)]


def limit_line(row: Row, now: float) -> str:
    """Return one account: until when it is used up, who shares it, and why."""
    names = " ".join(map(inline, row.get("names") or ())) or "nobody here"
    due = f"until {inline(row['until'])} (in {until(row['until'], now)})"
    return f"{inline(row['account'])}  {due}  {names}  {inline(row['reason'])}"


def _tokens(row: Row) -> str:
    cached = (row.get("cache_read_tokens") or 0) + (row.get("cache_write_tokens") or 0)
    counted = [
        f"{inline(row.get('input_tokens') or 0)} in",
        f"{inline(row.get('output_tokens') or 0)} out",
        *([f"{cached} cached"] if cached else []),
    ]
    return ", ".join(counted)


def _indented(lines: list[str], width: int) -> list[str]:
    return [f"{' ' * width}{line}".rstrip() for line in lines]
