"""What a manifest says about Claude Code, for the driver of that name."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen


class Effort(StrEnum):
    """How much thought the model gives to an answer; the words are Claude Code's."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


@frozen
class McpServer:
    """A further MCP server, a program or an address.

    Attributes:
        run: Program and arguments, started inside the agent's machine.
        url: Address of one that speaks streamable HTTP.
        env: Environment variables of the program.
        tools: Names of the tools that may be called; None allows all of them.
    """

    run: tuple[str, ...] | None = None
    url: str | None = None
    env: Mapping[str, str] = field(factory=dict)
    tools: tuple[str, ...] | None = None


@frozen
class ClaudeConfig:
    """How Claude Code works in an agent.

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
    mcp: Mapping[str, McpServer] = field(factory=dict)
    turn_budget: float | None = None
    day_budget: float | None = None
    compact_at: float = 0.75
