"""The keys of `[agents.NAME.claude]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hive.config.readers import InvalidValueError, choice, number, text, variables
from hive.config.table_schema import Key, Table, array_of, scalar, tables_by_name, with_defaults
from hive.errors import BadRequestError
from hive.wire.claude import DISABLED_TOOLS, OWN_SERVER, ClaudeConfig, Effort, McpServer

_TOOL_RULE = re.compile(r"[A-Za-z_][\w-]*(\([^()]+\))?")
_DOLLARS_MAX = 1_000_000


def effort(value: Any) -> Effort:
    """Read the effort of the model."""
    return Effort(choice(Effort)(value))


def nonempty_text(value: Any) -> str:
    """Read a text that is not blank."""
    written = text(value)
    if not written.strip():
        raise InvalidValueError("expected a text; leave the key out if there is none")
    return written


def tool_rule(value: Any) -> str:
    """Read a permission rule in the notation of Claude Code."""
    rule = text(value)
    if not _TOOL_RULE.fullmatch(rule):
        raise InvalidValueError(
            'expected a tool such as "Read", or some uses of one such as "Bash(git:*)"'
        )
    if rule.startswith("mcp__"):
        raise InvalidValueError("tools of MCP servers are allowed by 'tools' in [claude.mcp.NAME]")
    if rule.partition("(")[0] in DISABLED_TOOLS:
        raise InvalidValueError("an agent has one inbox, the hive's; this tool is always disabled")
    return rule


def tool_name(value: Any) -> str:
    """Read the name of a tool of an MCP server."""
    name = text(value)
    if not re.fullmatch(r"[\w-]+", name):
        raise InvalidValueError('expected the name of a tool, such as "search"')
    return name


def address(value: Any) -> str:
    """Read the HTTP(S) address of an MCP server."""
    written = text(value)
    if not re.fullmatch(r"https?://\S+", written):
        raise InvalidValueError('expected an address such as "https://host/mcp"')
    return written


def program_inside(value: Any, context: Any) -> tuple[str, ...]:
    """Read a program inside the agent's machine, with its arguments."""
    found: tuple[str, ...] = array_of(scalar(text))(value, context)
    if not found or not found[0]:
        raise InvalidValueError(
            'the first item names a program, as in ["mcp-server-git", "--fast"]'
        )
    return found


def dollars(value: Any) -> float:
    """Read an amount of US dollars."""
    amount = number(0, _DOLLARS_MAX)(value)
    if amount == 0:
        raise InvalidValueError("a budget of 0 allows no work; leave the key out for no limit")
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
    with_defaults(McpServer),
    (
        Key("run", program_inside),
        Key("url", scalar(address)),
        Key("env", scalar(variables)),
        Key("tools", array_of(scalar(tool_name))),
    ),
    check=_check_server,
)

CLAUDE = Table(
    with_defaults(ClaudeConfig),
    (
        Key("model", scalar(nonempty_text)),
        Key("effort", scalar(effort)),
        Key("tools", array_of(scalar(tool_rule))),
        Key("system_prompt", scalar(nonempty_text)),
        Key("mcp", tables_by_name(MCP_SERVER, _server_name), secret=True),
        Key("turn_budget", scalar(dollars)),
        Key("day_budget", scalar(dollars)),
        Key("compact_at", scalar(number(0, 1))),
    ),
    check=_check_claude,
)
