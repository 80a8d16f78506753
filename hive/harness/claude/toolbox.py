"""The hive's tools inside Claude Code: an MCP server in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from claude_agent_sdk import McpSdkServerConfig, SdkMcpTool, create_sdk_mcp_server

from hive.errors import HiveError
from hive.harness.tools import Tool
from hive.wire.claude import OWN_SERVER


def server_of(tools: Iterable[Tool]) -> McpSdkServerConfig:
    """Return the server; an error of the hive comes back as one that the model can act on."""
    return create_sdk_mcp_server(OWN_SERVER, tools=[wrapped(tool) for tool in tools])


def wrapped(tool: Tool) -> SdkMcpTool[Any]:
    """Return a tool of the hive as one of the SDK."""

    async def call(arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            result = await tool.call(arguments)
        except HiveError as error:
            return {"content": [_text(str(error))], "is_error": True}
        return {"content": [_text(result if isinstance(result, str) else json.dumps(result))]}

    return SdkMcpTool(tool.name, tool.description, tool.schema, call)


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
