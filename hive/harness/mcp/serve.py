"""Entry of the `mcp` verb: an MCP server on standard input and output for one participant."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from hive.client.agent import ManagerClient, Role
from hive.errors import ConfigError, HiveError
from hive.harness.tools import ModelTool, SessionMail, for_kind

DRIVER = "mcp"
"""Driver name that this connection reports to the daemon."""

DAEMON_TIMEOUT = 15.0
"""Seconds that a tool waits for a daemon that is not reachable: it may be restarting."""


def serve(socket: Path, *, manager: bool, channel: bool) -> None:
    """Serve until standard input ends, or until SIGTERM or SIGINT.

    While the daemon is not reachable, each tool returns that as its error.

    Raises:
        ConfigError: When the MCP SDK is not installed.
    """
    logging.basicConfig(level=logging.WARNING, format="hive-ag3nt: %(message)s", stream=sys.stderr)
    try:
        import mcp.server.stdio  # noqa: F401 - whether it is installed
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"this needs the MCP SDK ({error}); install it with: pip install 'hyperhive[mcp]'"
        ) from None
    asyncio.run(_until_end(socket, manager=manager, channel=channel))


async def _until_end(socket: Path, *, manager: bool, channel: bool) -> None:
    async with ManagerClient(socket, patience=DAEMON_TIMEOUT) as client:
        mail = SessionMail(client)
        tools = for_kind(client, manager=manager, mail=mail)
        announcing = asyncio.create_task(_announce(client), name="hello")
        serving = asyncio.create_task(_serve_stdio(client, tools, channel=channel), name="mcp")
        await asyncio.wait([serving, _signal_received()], return_when=asyncio.FIRST_COMPLETED)
        announcing.cancel()
        await mail.close()
        if serving.done():
            serving.result()
            return
    # A thread of the SDK reads standard input and would block the exit until that ends.
    os._exit(0)


def _signal_received() -> asyncio.Task[Literal[True]]:
    """Return a task that ends at SIGTERM or SIGINT."""
    received = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, received.set)
    return asyncio.create_task(received.wait(), name="signals")


async def _serve_stdio(client: ManagerClient, tools: Sequence[ModelTool], *, channel: bool) -> None:
    from mcp.server.runner import serve_loop
    from mcp.server.stdio import stdio_server

    from hive.harness.mcp.server import CAPABILITY, McpChannel, make_server

    async with stdio_server() as (reading, writing):
        if not channel:
            server = make_server(tools)
            await server.run(reading, writing, server.create_initialization_options())
            return
        channel_lines = McpChannel(client, writing.send)
        server = make_server(tools, channel_lines)
        options = server.create_initialization_options(experimental_capabilities=CAPABILITY)
        try:
            # With the handshake only: a client that may choose takes MCP 2026-07-28, in which a
            # server sends nothing unasked, so Claude Code would have no channel.
            async with server.lifespan(server) as state:
                await serve_loop(
                    server, reading, writing, lifespan_state=state, init_options=options
                )
        finally:
            await channel_lines.close()


async def _announce(client: ManagerClient) -> None:
    """Announce this client once the daemon is reachable; the client repeats it on reconnect."""
    while True:
        with suppress(HiveError):
            await client.hello(Role.TOOL, DRIVER)
            return
