"""The keys of `[agents.NAME.claude]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hive.config.readers import Wrong, choice, number, text, variables
from hive.config.schema import Key, Table, fresh, items, named, scalar
from hive.errors import BadRequestError
from hive.wire.claude import ONE_MAILBOX, OWN_SERVER, ClaudeConfig, Effort, McpServer

_RULE = re.compile(r"[A-Za-z_][\w-]*(\([^()]+\))?")
_MOST_DOLLARS = 1_000_000


def effort(value: Any) -> Effort:
    """Read how much thought the model gives to an answer."""
    return Effort(choice(Effort)(value))


def words(value: Any) -> str:
    """Read a text that says something."""
    written = text(value)
    if not written.strip():
        raise Wrong("expected a text; leave the key out if there is none")
    return written


def tool_rule(value: Any) -> str:
    """Read a rule for tools, as Claude Code writes them."""
    rule = text(value)
    if not _RULE.fullmatch(rule):
        raise Wrong('expected a tool such as "Read", or some uses of one such as "Bash(git:*)"')
    if rule.startswith("mcp__"):
        raise Wrong("tools of MCP servers are allowed by 'tools' in [claude.mcp.NAME]")
    if rule.partition("(")[0] in ONE_MAILBOX:
        raise Wrong("an agent has one mailbox, the hive's; this one is always off")
    return rule


def tool_name(value: Any) -> str:
    """Read the name of a tool of an MCP server."""
    name = text(value)
    if not re.fullmatch(r"[\w-]+", name):
        raise Wrong('expected the name of a tool, such as "search"')
    return name


def address(value: Any) -> str:
    """Read the address of an MCP server."""
    written = text(value)
    if not re.fullmatch(r"https?://\S+", written):
        raise Wrong('expected an address such as "https://host/mcp"')
    return written


def program_inside(value: Any, place: Any) -> tuple[str, ...]:
    """Read a program with its arguments, as it is called inside the agent's machine."""
    found: tuple[str, ...] = items(scalar(text))(value, place)
    if not found or not found[0]:
        raise Wrong('the first item names a program, as in ["mcp-server-git", "--fast"]')
    return found


def dollars(value: Any) -> float:
    """Read an amount of US dollars."""
    amount = number(0, _MOST_DOLLARS)(value)
    if amount == 0:
        raise Wrong("a budget of nothing lets nothing be done; leave the key out for no limit")
    return amount


def _server_name(name: str) -> None:
    if name == OWN_SERVER:
        raise BadRequestError(f"{OWN_SERVER!r} is the server of the hive's own tools")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name):
        raise BadRequestError(f"{name!r} is no name for a server: use letters, digits and '-'")


def _check_server(server: McpServer) -> Iterator[tuple[str, str]]:
    if (server.run is None) == (server.url is None):
        yield "run", "a server has either a program ('run') or an address ('url')"
    elif server.url is not None and server.env:
        yield "env", "only a program has an environment"


def _check_claude(config: ClaudeConfig) -> Iterator[tuple[str, str]]:
    both = config.turn_budget is not None and config.day_budget is not None
    if both and (config.turn_budget or 0) > (config.day_budget or 0):
        yield "turn_budget", "one turn may not cost more than a whole day"


MCP_SERVER = Table(
    fresh(McpServer),
    (
        Key("run", program_inside),
        Key("url", scalar(address)),
        Key("env", scalar(variables)),
        Key("tools", items(scalar(tool_name))),
    ),
    check=_check_server,
)

CLAUDE = Table(
    fresh(ClaudeConfig),
    (
        Key("model", scalar(words)),
        Key("effort", scalar(effort)),
        Key("tools", items(scalar(tool_rule))),
        Key("system_prompt", scalar(words)),
        Key("mcp", named(MCP_SERVER, _server_name)),
        Key("turn_budget", scalar(dollars)),
        Key("day_budget", scalar(dollars)),
        Key("compact_at", scalar(number(0, 1))),
    ),
    check=_check_claude,
)
