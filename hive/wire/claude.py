"""Settings of the Claude Code driver, from the manifest of an agent.

The daemon checks them and passes them to the driver as JSON, in the environment variable
HIVE_DRIVER_SETTINGS.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hive.errors import ConfigError

OWN_SERVER = "hive"
"""Name of the MCP server with the hive's own tools."""

DISABLED_TOOLS = ("SendMessage", "ListAgents")
"""Tools of Claude Code for messages between its sessions; always off, the hive has one mailbox."""


MODEL_ALIASES = ("opus", "sonnet", "haiku")
"""Words for which Claude Code uses the newest model of a kind; any other name may be given, too."""


class Effort(StrEnum):
    """Effort of the model, in Claude Code's words."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class McpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An additional MCP server: a program (`run`) or an address (`url`).

    Attributes:
        run: Program and arguments, started inside the agent's machine.
        url: Address of a server with streamable HTTP.
        env: Environment variables of the program.
        tools: Names of the tools that may be called; None allows all.
    """

    run: tuple[str, ...] | None = None
    url: str | None = None
    env: dict[str, str] = {}
    tools: tuple[str, ...] | None = None


class ClaudeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of Claude Code in an agent: the keys of `[agents.NAME.claude]`.

    Attributes:
        model: Model; None uses Claude Code's default.
        effort: Effort; None uses Claude Code's default.
        tools: Permission rules of Claude Code; a tool that no rule names is not offered.
        system_prompt: Text appended to Claude Code's system prompt.
        mcp: Additional MCP servers by name.
        turn_budget: Most US dollars of one turn; None for no limit.
        day_budget: Most US dollars of the turns of a day (UTC); None for no limit.
        compact_at: Fraction of the context, 0 to 1, at which it is compacted; 0 is never.
    """

    model: str | None = None
    effort: Effort | None = None
    tools: tuple[str, ...] = ("Bash", "Edit", "Glob", "Grep", "Read", "Write")
    system_prompt: str | None = None
    mcp: dict[str, McpServer] = {}
    turn_budget: float | None = None
    day_budget: float | None = None
    compact_at: float = 0.75


def settings_of(text: str | None) -> ClaudeConfig:
    """Return the settings from the text of HIVE_DRIVER_SETTINGS; None gives the defaults.

    Raises:
        ConfigError: When the text has another form; the daemon may be of another version.
    """
    try:
        return msgspec.json.decode(text or "{}", type=ClaudeConfig)
    except msgspec.DecodeError as error:
        raise ConfigError(f"HIVE_DRIVER_SETTINGS is not for this driver: {error}") from None
