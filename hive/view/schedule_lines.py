"""Schedules as plain lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hive.escapes import block, inline


def schedule_lines(row: Mapping[str, Any]) -> list[str]:
    """Return one schedule: a line about it, then its body, indented."""
    parts = [
        f"{inline(row['id']):>4}",
        inline(row["to"]),
        f"{inline(row['when'])} ({inline(row['timezone'])})",
        "ended" if row.get("ended_at") else f"next {inline(row['next_at'])}",
        f"from {inline(row['requested_by'])}",
    ]
    parts += [f"approval {inline(row['approval'])}"] if row.get("approval") else []
    parts += [inline(row["description"])] if row.get("description") else []
    return ["  ".join(parts), *(f"      {line}" for line in block(row["body"]))]
