"""Messages and events as plain lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hive.view.escape import block, inline
from hive.view.times import age


def message_lines(row: Mapping[str, Any], now: float) -> list[str]:
    """Return one message of an inbox: a line about it, then its body, indented."""
    head = f"#{inline(row['id'])}  {inline(row['from'])} -> {inline(row['to'])}"
    head += f"  {age(row.get('sent_at'), now)} ago"
    if row.get("in_reply_to") is not None:
        head += f"  reply to #{inline(row['in_reply_to'])}"
    if row.get("label"):
        head += f"  label {inline(row['label'])}"
    head += f"  [{inline(row.get('state') or 'unknown')}]"
    if row.get("reason"):
        head += f"  {inline(row['reason'])}"
    return [head, *(f"    {line}".rstrip() for line in block(row["body"]))]


def step_line(row: Mapping[str, Any]) -> str:
    """Return one step of a message's life: when, what, which attempt, whose, why."""
    parts = [inline(row["at"]), f"{inline(row['step']):<8}"]
    if row.get("attempt") is not None:
        parts.append(f"attempt {inline(row['attempt'])}")
    if row.get("session"):
        parts.append(inline(row["session"]))
    if row.get("reason"):
        parts.append(inline(row["reason"]))
    return "  ".join(parts).rstrip()


def event_line(row: Mapping[str, Any]) -> str:
    """Return one event: its number, time, what happened to whom, and the details as `key=value`."""
    parts = [inline(row["seq"]), inline(row["at"]), inline(row["event"])]
    if row.get("name"):
        parts.append(inline(row["name"]))
    details = row.get("detail") or {}
    return "  ".join(parts + [f"{inline(key)}={_detail(value)}" for key, value in details.items()])


def _detail(value: object) -> str:
    """Words stand as they are; whatever could be misread is quoted as JSON."""
    if isinstance(value, str) and value and not set(value) & set(" =\"'"):
        return inline(value)
    return inline(json.dumps(value, ensure_ascii=False))
