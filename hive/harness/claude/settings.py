"""What the manifest tells the driver, as it comes from the daemon.

The daemon has checked it (`hive.config.claude`, which says what each key means).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from hive.errors import ConfigError

HIVE = "hive"
"""The MCP server with the hive's own tools."""

Effort = Literal["low", "medium", "high", "xhigh", "max"]


class McpServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A further MCP server."""

    run: tuple[str, ...] | None = None
    url: str | None = None
    env: dict[str, str] = {}
    tools: tuple[str, ...] | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of `[agents.NAME.claude]`."""

    model: str | None = None
    effort: Effort | None = None
    tools: tuple[str, ...] = ("Bash", "Edit", "Glob", "Grep", "Read", "Write")
    system_prompt: str | None = None
    mcp: dict[str, McpServer] = {}
    turn_budget: float | None = None
    day_budget: float | None = None
    compact_at: float = 0.75


def settings_of(text: str | None) -> Settings:
    """Return the settings of HIVE_DRIVER_SETTINGS; without any, the defaults.

    Raises:
        ConfigError: When they are not such settings: the daemon may be of another version.
    """
    try:
        return msgspec.json.decode(text or "{}", type=Settings)
    except msgspec.DecodeError as error:
        raise ConfigError(f"HIVE_DRIVER_SETTINGS is not for this driver: {error}") from None
