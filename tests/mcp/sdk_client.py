"""A client of the MCP SDK of version 1 or 2, with the fields as the protocol names them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp
from attrs import frozen
from mcp import StdioServerParameters, stdio_client

from hive.harness.mcp.sdk import IS_FIRST

MODES = ["legacy"] if IS_FIRST else ["legacy", "auto"]
"""The handshake of current clients, and the newest one that both sides support."""


@frozen
class ToolResult:
    """What a tool has returned: its one text, and whether that is an error."""

    text: str
    is_error: bool


@frozen
class McpClient:
    """A connected client.

    Attributes:
        sdk: The client of the SDK.
        greeting: `capabilities` and `instructions` of the server.
    """

    sdk: Any
    greeting: dict[str, Any]

    async def tools(self) -> dict[str, Any]:
        """Return each offered tool by its name."""
        listed = _fields(await self.sdk.list_tools())["tools"]
        return {tool["name"]: tool for tool in listed}

    async def call(self, tool: str, arguments: dict[str, Any]) -> ToolResult:
        result = _fields(await self.sdk.call_tool(tool, arguments))
        [content] = result["content"]
        return ToolResult(content["text"], result["isError"])


@asynccontextmanager
async def connected_by_stdio(
    parameters: StdioServerParameters, mode: str
) -> AsyncIterator[McpClient]:
    if not IS_FIRST:
        async with mcp.Client(stdio_client(parameters), mode=mode) as client:
            yield _greeted(client)
        return
    async with stdio_client(parameters) as streams, mcp.ClientSession(*streams) as client:
        yield McpClient(client, _fields(await client.initialize()))


@asynccontextmanager
async def connected_in_memory(server: Any) -> AsyncIterator[McpClient]:
    if not IS_FIRST:
        async with mcp.Client(server) as client:
            yield _greeted(client)
        return
    from mcp.shared.memory import create_connected_server_and_client_session as connected

    async with connected(server) as client:
        yield McpClient(client, {})


def _greeted(client: Any) -> McpClient:
    capabilities = _fields(client.server_capabilities)
    return McpClient(client, {"capabilities": capabilities, "instructions": client.instructions})


def _fields(model: Any) -> Any:
    return model.model_dump(by_alias=True, exclude_none=True)
