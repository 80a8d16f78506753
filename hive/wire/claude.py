"""What a manifest says about Claude Code, as the daemon tells it to the driver of that name.

It crosses as JSON, in the environment variable HIVE_DRIVER_SETTINGS. The daemon has checked it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hive.errors import ConfigError

OWN_SERVER = "hive"
"""The MCP server with the hive's own tools."""

ONE_MAILBOX = ("SendMessage", "ListAgents")
"""Claude Code's own messages between sessions, which are never on: there is one mailbox."""


class Effort(StrEnum):
    """How much thought the model gives to an answer; the words are Claude Code's."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class McpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further MCP server, a program or an address.

    Attributes:
        run: Program and arguments, started inside the agent's machine.
        url: Address of one that speaks streamable HTTP.
        env: Environment variables of the program.
        tools: Names of the tools that may be called; None allows all of them.
    """

    run: tuple[str, ...] | None = None
    url: str | None = None
    env: dict[str, str] = {}
    tools: tuple[str, ...] | None = None


class ClaudeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How Claude Code works in an agent: the keys of `[agents.NAME.claude]`.

    Attributes:
        model: None leaves the choice to Claude Code.
        effort: None leaves the choice to Claude Code.
        tools: Rules of Claude Code for what may be used without asking; what they do not name is
            not offered at all.
        system_prompt: Added to Claude Code's own system prompt.
        mcp: Further MCP servers by name.
        turn_budget: US dollars that one turn may cost.
        day_budget: US dollars that the turns of a day (UTC) may cost.
        compact_at: How full the context may be before it is compacted, from 0 to 1; 0 is never.
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
    """Return the settings of HIVE_DRIVER_SETTINGS; without any, the defaults.

    Raises:
        ConfigError: When they are not such settings: the daemon may be of another version.
    """
    try:
        return msgspec.json.decode(text or "{}", type=ClaudeConfig)
    except msgspec.DecodeError as error:
        raise ConfigError(f"HIVE_DRIVER_SETTINGS is not for this driver: {error}") from None
