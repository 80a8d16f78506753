"""Names of the installed drivers of the harness, without loading any of them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

GROUP = "hyperhive.drivers"
"""Entry point group of the drivers of `hive-ag3nt serve`."""

BUILT_IN = "command"
"""Name of the driver that is always available."""

CLAUDE_DRIVER = "claude"
"""Name of the driver that `[agents.NAME.claude]` configures."""


@cache
def driver_names() -> tuple[str, ...]:
    """Return the valid values of `driver`, sorted; reads the disk once per process."""
    return tuple(sorted({BUILT_IN, *entry_points(group=GROUP).names}))
