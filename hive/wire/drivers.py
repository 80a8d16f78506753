"""The names of the drivers that are installed, without loading any of them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

GROUP = "hyperhive.drivers"
"""Entry points of this group are drivers of `hive-ag3nt serve`."""

BUILT_IN = "command"
"""The driver that needs nothing else to be installed."""

CLAUDE_DRIVER = "claude"
"""The driver that `[agents.NAME.claude]` is for."""


@cache
def driver_names() -> tuple[str, ...]:
    """Return the names that `driver` may have, sorted; looks on disk once per process."""
    return tuple(sorted({BUILT_IN, *entry_points(group=GROUP).names}))
