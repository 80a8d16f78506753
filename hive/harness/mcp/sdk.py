"""What differs between the versions 1 and 2 of the MCP SDK: its types, and how a server is made.

Types are checked against version 2. Their fields are given by the names of the protocol, which both
versions read: `model_validate({"isError": True})`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from mcp.server.lowlevel import Server

from hive.version import VERSION

try:
    import mcp_types as types
except ModuleNotFoundError:
    from mcp import types  # type: ignore[no-redef]

    IS_FIRST = True
else:
    IS_FIRST = False

__all__ = ["ErrorMessage", "make_server", "serve", "types"]

ListTools = Callable[[], types.ListToolsResult]
"""Returns the tools that are offered."""

CallTool = Callable[[str, dict[str, Any]], Awaitable[types.CallToolResult]]
"""Calls the tool of a name with arguments."""


class ErrorMessage(types.JSONRPCError):
    """An error whose id may be null; version 1 neither has such an id nor writes one."""

    id: str | int | None

    def model_dump_json(self, **_options: Any) -> str:
        """Return the line as the protocol wants it, whichever options the SDK gives."""
        return super().model_dump_json(by_alias=True, exclude_unset=True)


def make_server(
    name: str, instructions: str, list_tools: ListTools, call_tool: CallTool
) -> Server[Any]:
    """Return a server whose tools are listed and called by these functions."""
    if IS_FIRST:
        first: Server[Any] = _first_server(name, instructions, list_tools, call_tool)
        return first

    async def listed(context: object, params: object) -> types.ListToolsResult:
        return list_tools()

    async def called(context: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        return await call_tool(params.name, params.arguments or {})

    return Server(
        name,
        version=VERSION,
        instructions=instructions,
        on_list_tools=listed,
        on_call_tool=called,
    )


def _first_server(name: str, instructions: str, list_tools: ListTools, call_tool: CallTool) -> Any:
    """Return a server of version 1, whose decorators would check arguments before a tool does."""
    first: Any = types

    async def listed(request: Any) -> Any:
        return first.ServerResult(list_tools())

    async def called(request: Any) -> Any:
        result = await call_tool(request.params.name, request.params.arguments or {})
        return first.ServerResult(result)

    server: Any = Server(name, version=VERSION, instructions=instructions)
    server.request_handlers[types.ListToolsRequest] = listed
    server.request_handlers[types.CallToolRequest] = called
    return server


async def serve(
    server: Server[Any],
    reading: Any,
    writing: Any,
    experimental: Mapping[str, dict[str, Any]] | None = None,
) -> None:
    """Serve one client until it ends.

    Args:
        server: What `make_server` has returned.
        reading: Where messages come from.
        writing: Where messages go to.
        experimental: Capabilities that make a server send messages unasked.
    """
    options = server.create_initialization_options(
        experimental_capabilities=dict(experimental or {})
    )
    if IS_FIRST:
        await _run_first(server, reading, writing, options)
        return
    if not experimental:
        await server.run(reading, writing, options)
        return
    from mcp.server.runner import serve_loop

    # With the handshake only: a client that may choose takes MCP 2026-07-28, in which a
    # server sends nothing unasked, so Claude Code would have no channel.
    async with server.lifespan(server) as state:
        await serve_loop(server, reading, writing, lifespan_state=state, init_options=options)


async def _run_first(server: Any, reading: Any, writing: Any, options: Any) -> None:
    """Run a server of version 1, which after the last message would wait for calls that go on."""
    send, messages = anyio.create_memory_object_stream[Any](0)
    async with anyio.create_task_group() as group, send:
        group.start_soon(server.run, messages, writing, options)
        async for message in reading:
            await send.send(message)
        group.cancel_scope.cancel()
