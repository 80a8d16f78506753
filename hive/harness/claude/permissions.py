"""What the model may use, by the manifest alone."""

from __future__ import annotations

from collections.abc import Sequence

from hive.wire.claude import OWN_SERVER, ClaudeConfig


def offered(settings: ClaudeConfig) -> tuple[str, ...]:
    """Return the tools of Claude Code that the model is offered: those that some rule names."""
    return tuple(dict.fromkeys(rule.partition("(")[0] for rule in settings.tools))


def allowed(settings: ClaudeConfig) -> tuple[str, ...]:
    """Return the rules for what is done without asking; all else is refused."""
    servers = [f"mcp__{OWN_SERVER}__*"]
    for name, server in settings.mcp.items():
        servers += [f"mcp__{name}__{tool}" for tool in server.tools or ("*",)]
    return (*settings.tools, *servers)


def widened(settings: ClaudeConfig, tools: Sequence[str]) -> tuple[str, ...]:
    """Return what Claude Code offers the model beyond the manifest; it should be nothing."""
    known = set(offered(settings))
    servers = tuple(f"mcp__{name}__" for name in (OWN_SERVER, *settings.mcp))
    return tuple(name for name in tools if name not in known and not name.startswith(servers))
