"""The keys of `[agents.NAME.claude]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hive.config.kinds import STRING, TEXT, VARIABLES, real, word
from hive.config.readers import InvalidValueError, number, text
from hive.config.table_schema import (
    Key,
    KeyPath,
    Table,
    ValueKind,
    array_of,
    scalar,
    tables_by_name,
)
from hive.errors import BadRequestError
from hive.wire.claude import DISABLED_TOOLS, OWN_SERVER, ClaudeConfig, Effort, McpServer

_TOOL_RULE = re.compile(r"[A-Za-z_][\w-]*(\([^()]+\))?")
_DOLLARS_MAX = 1_000_000


def _nonempty_text(value: Any) -> str:
    """Read a text that is not blank."""
    written = text(value)
    if not written.strip():
        raise InvalidValueError("expected a text; leave the key out if there is none")
    return written


def _tool_rule(value: Any) -> str:
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


def _tool_name(value: Any) -> str:
    """Read the name of a tool of an MCP server."""
    name = text(value)
    if not re.fullmatch(r"[\w-]+", name):
        raise InvalidValueError('expected the name of a tool, such as "search"')
    return name


def _address(value: Any) -> str:
    """Read the HTTP(S) address of an MCP server."""
    written = text(value)
    if not re.fullmatch(r"https?://\S+", written):
        raise InvalidValueError('expected an address such as "https://host/mcp"')
    return written


def _program_inside(value: Any, context: Any) -> tuple[str, ...]:
    """Read a program inside the agent's machine, with its arguments."""
    found: tuple[str, ...] = array_of(TEXT).read(value, context)
    if not found or not found[0]:
        raise InvalidValueError(
            'the first item names a program, as in ["mcp-server-git", "--fast"]'
        )
    return found


def _dollars(value: Any) -> float:
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


def _check_server(server: McpServer) -> Iterator[tuple[KeyPath, str]]:
    if (server.run is None) == (server.url is None):
        yield ("run",), "a server has either a program ('run') or an address ('url')"
    elif server.url is not None and server.env:
        yield ("env",), "only a program has an environment"


def _check_claude(config: ClaudeConfig) -> Iterator[tuple[KeyPath, str]]:
    both = config.turn_budget is not None and config.day_budget is not None
    if both and (config.turn_budget or 0) > (config.day_budget or 0):
        yield ("turn_budget",), "one turn may not cost more than a whole day"


NONEMPTY_TEXT = scalar("text", _nonempty_text, STRING)
TOOL_RULE = scalar("text", _tool_rule, STRING)
TOOL_NAME = scalar("text", _tool_name, STRING)
ADDRESS = scalar("text", _address, STRING)
PROGRAM_INSIDE = ValueKind(
    "program", _program_inside, {"type": "array", "items": STRING, "minItems": 1}, list
)
DOLLARS = scalar(
    "number", _dollars, {"type": "number", "exclusiveMinimum": 0, "maximum": _DOLLARS_MAX}
)

MCP_SERVER = Table(
    McpServer,
    (
        Key(
            "run",
            PROGRAM_INSIDE,
            "program and arguments inside the agent's machine; either this or `url`",
        ),
        Key("url", ADDRESS, "address of a server that speaks streamable HTTP"),
        Key("env", VARIABLES, "environment variables of the program"),
        Key("tools", array_of(TOOL_NAME), "the tools that may be called; without the key, all"),
    ),
    check=_check_server,
)

CLAUDE = Table(
    ClaudeConfig,
    (
        Key("model", NONEMPTY_TEXT, "the model; without the key, Claude Code's own choice"),
        Key(
            "effort",
            word(Effort),
            'the effort of the model: `"low"`, `"medium"`, `"high"`, `"xhigh"`, `"max"`',
        ),
        Key(
            "tools",
            array_of(TOOL_RULE),
            'rules of Claude Code for the allowed tools, such as `"Read"` or `"Bash(git:*)"`; a '
            "tool that no rule names is not offered at all, a use that no rule covers is refused",
        ),
        Key("system_prompt", NONEMPTY_TEXT, "added to Claude Code's own system prompt"),
        Key(
            "mcp",
            tables_by_name(MCP_SERVER, _server_name),
            "further MCP servers, one table for each, see [agents.NAME.claude.mcp.SERVER]",
            secret=True,
        ),
        Key("turn_budget", DOLLARS, "US dollars that one turn may cost"),
        Key("day_budget", DOLLARS, "US dollars that the turns of a day (in UTC) may cost"),
        Key(
            "compact_at",
            real(0, 1),
            "part of the model's context that is filled before the conversation is compacted; `0` "
            "is never",
        ),
    ),
    check=_check_claude,
)
