"""Tools that the manifest allows the model to use."""

from __future__ import annotations

from collections.abc import Sequence

from hive.wire.claude import OWN_SERVER, ClaudeConfig


def offered_tools(settings: ClaudeConfig) -> tuple[str, ...]:
    """Return the built-in tools of Claude Code that some rule names; no other is offered."""
    return tuple(dict.fromkeys(rule.partition("(")[0] for rule in settings.tools))


def allow_rules(settings: ClaudeConfig) -> tuple[str, ...]:
    """Return the rules for calls that run without asking; all other calls are refused."""
    servers = [f"{_prefix(OWN_SERVER)}*"]
    for name, server in settings.mcp.items():
        servers += [f"{_prefix(name)}{tool}" for tool in server.tools or ("*",)]
    return (*settings.tools, *servers)


def unexpected_tools(settings: ClaudeConfig, tools: Sequence[str]) -> tuple[str, ...]:
    """Return those of the tools on offer that the manifest does not allow; normally none."""
    known = set(offered_tools(settings))
    servers = tuple(_prefix(name) for name in (OWN_SERVER, *settings.mcp))
    return tuple(name for name in tools if name not in known and not name.startswith(servers))


def _prefix(server: str) -> str:
    """Return how Claude Code begins the names of an MCP server's tools."""
    return f"mcp__{server}__"
