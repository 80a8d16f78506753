"""Lines about the browsers that are logged in to the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hive.escapes import inline
from hive.view.text import age, until

BROWSER_SHOWN = 80
"""Characters of what a browser calls itself that are shown."""


def session_line(row: Mapping[str, Any], now: float) -> str:
    """Return a session as a line: its number, its times, from where, and which browser."""
    times = f"began {age(row['began'], now)} ago, seen {age(row['seen'], now)} ago"
    where = f", from {inline(row['address'])}" if row.get("address") else ""
    browser = inline(row["browser"][:BROWSER_SHOWN]) or "a browser without a name"
    return f"{row['id']}  {times}, ends in {until(row['ends'], now)}{where}: {browser}"
