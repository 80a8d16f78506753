"""The `mcp` verb: a server on standard input and output, beside one connection to the hive."""

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

from hive.client.aio import SocketClient
from hive.client.api import Role
from hive.errors import ConfigError, HiveError
from hive.harness.tools import SessionTray, Tool, for_kind

DRIVER = "mcp"
"""What the daemon is told of this connection."""

PATIENCE = 15.0
"""Seconds that a tool waits for a daemon that is away: it may just be restarting."""


def serve(socket: Path, *, manager: bool, channel: bool) -> None:
    """Serve until standard input ends, or until SIGTERM or SIGINT.

    That the hive cannot be reached ends nothing: each tool says so, until it can.

    Raises:
        ConfigError: When the MCP SDK is not installed.
    """
    logging.basicConfig(level=logging.WARNING, format="hive-ag3nt: %(message)s", stream=sys.stderr)
    try:
        import mcp.server.stdio  # noqa: F401 - whether it is there
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"this needs the MCP SDK ({error}); install it with: pip install 'hyperhive[mcp]'"
        ) from None
    asyncio.run(_until_end(socket, manager=manager, channel=channel))


async def _until_end(socket: Path, *, manager: bool, channel: bool) -> None:
    async with SocketClient(socket, patience=PATIENCE) as client:
        tray = SessionTray(client)
        tools = for_kind(client, manager=manager, tray=tray)
        greeting = asyncio.create_task(_greet(client), name="hello")
        serving = asyncio.create_task(_serve_stdio(client, tools, channel=channel), name="mcp")
        await asyncio.wait([serving, _signal()], return_when=asyncio.FIRST_COMPLETED)
        greeting.cancel()
        await tray.close()
        if serving.done():
            serving.result()
            return
    # A thread of the SDK waits for standard input, and nothing but its end would end that.
    os._exit(0)


def _signal() -> asyncio.Task[Literal[True]]:
    """Return what is done once SIGTERM or SIGINT has come."""
    came = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, came.set)
    return asyncio.create_task(came.wait(), name="signals")


async def _serve_stdio(client: SocketClient, tools: Sequence[Tool], *, channel: bool) -> None:
    from mcp.server.runner import serve_loop
    from mcp.server.stdio import stdio_server

    from hive.harness.mcp.channel import CAPABILITY, Channel
    from hive.harness.mcp.server import make_server

    async with stdio_server() as (reading, writing):
        if not channel:
            server = make_server(tools)
            await server.run(reading, writing, server.create_initialization_options())
            return
        pushing = Channel(client, writing.send)
        server = make_server(tools, pushing)
        options = server.create_initialization_options(experimental_capabilities=CAPABILITY)
        try:
            # By the handshake only. A client that may choose takes MCP 2026-07-28, where a server
            # says nothing unasked: to Claude Code that is no channel.
            async with server.lifespan(server) as state:
                await serve_loop(
                    server, reading, writing, lifespan_state=state, init_options=options
                )
        finally:
            await pushing.close()


async def _greet(client: SocketClient) -> None:
    """Say what speaks here, as soon as somebody listens, and again on each later connection."""
    while True:
        with suppress(HiveError):
            await client.hello(Role.TOOL, DRIVER)
            return
