"""Entry of the `mcp` verb: an MCP server on standard input and output for one participant."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

from hive.client.agent import ManagerClient, Role, until_taken
from hive.errors import ConfigError, FailedError, HiveError
from hive.extras import how_to_install
from hive.harness.tools import ModelTool, SessionMail, for_kind
from hive.names import MANAGER
from hive.queued_output import log_to_stderr, standard_error
from hive.wire.rows import Identity

logger = logging.getLogger(__name__)

DRIVER = "mcp"
"""Driver name that this connection reports to the daemon."""

SDK_OLDEST = (1, 26)
"""The oldest version of the SDK that works; its floor in pyproject.toml."""

WHOAMI_TIMEOUT = 2.0
"""Seconds in which the daemon says whether this is the manager, before tools are offered."""

DAEMON_TIMEOUT = 15.0
"""Seconds that a tool waits for a daemon that is not reachable: it may be restarting."""


def serve(socket: Path, *, manager: bool, channel: bool) -> None:
    """Serve until standard input ends, or until SIGTERM or SIGINT.

    While the daemon is not reachable, each tool returns that as its error.

    Raises:
        ConfigError: When the MCP SDK is not installed, or in a version that cannot be used.
        FailedError: When standard output cannot be written.
    """
    log_to_stderr(logging.WARNING, "hive-ag3nt: %(message)s")
    _require_sdk()
    try:
        asyncio.run(_until_end(socket, manager=manager, channel=channel))
    except BaseExceptionGroup as group:  # the SDK's
        _, others = group.split(OSError)
        if others is not None:
            raise
        raise FailedError(
            "the client does not take the answers of the tools any more, so the server ends"
        ) from None


def _require_sdk() -> None:
    """Raise ConfigError unless the SDK is there and can be used."""
    try:
        import mcp.server.stdio  # noqa: F401 - whether it is installed
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"this needs the MCP SDK ({error}); install it with: {how_to_install('mcp')}"
        ) from None
    problem = _problem_of(version("mcp"))
    if problem is not None:
        raise ConfigError(f"this needs mcp 1.26 or newer, of version 1 or 2; {problem}")


def _problem_of(found: str) -> str | None:
    """Return why the SDK of a version cannot be used; None if it can."""
    if tuple(int(part) for part in found.split(".")[:2]) < SDK_OLDEST:
        return f"mcp {found} is installed"
    try:
        import hive.harness.mcp.request_lines
        import hive.harness.mcp.server  # noqa: F401 - whether the SDK has what they use
    except ImportError as error:
        return f"mcp {found} is installed, which lacks something: {error}"
    return None


async def _until_end(socket: Path, *, manager: bool, channel: bool) -> None:
    async with ManagerClient(socket, patience=DAEMON_TIMEOUT) as client:
        mail = SessionMail(client)
        me = await _manager(client) if manager else None
        tools = for_kind(
            client,
            manager=me is not None and me.kind == "manager",
            mail=mail,
            capabilities=me.capabilities if me else None,
        )
        announcing = asyncio.create_task(_announce(client), name="hello")
        serving = asyncio.create_task(_serve_stdio(client, tools, channel=channel), name="mcp")
        await asyncio.wait([serving, _signal_received()], return_when=asyncio.FIRST_COMPLETED)
        announcing.cancel()
        await mail.close()
        if serving.done():
            serving.result()
            return
    # A thread of the SDK reads standard input and would block the exit until that ends.
    await asyncio.to_thread(standard_error().close)
    os._exit(0)


def _signal_received() -> asyncio.Task[Literal[True]]:
    """Return a task that ends at SIGTERM or SIGINT."""
    received = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, received.set)
    return asyncio.create_task(received.wait(), name="signals")


async def _manager(client: ManagerClient) -> Identity:
    """Return who this is; taken for the manager while the daemon does not answer."""
    with suppress(HiveError, TimeoutError):
        async with asyncio.timeout(WHOAMI_TIMEOUT):
            return await client.whoami()
    return Identity(MANAGER, "manager")


async def _serve_stdio(client: ManagerClient, tools: Sequence[ModelTool], *, channel: bool) -> None:
    from mcp.server.stdio import stdio_server

    from hive.harness.mcp import sdk
    from hive.harness.mcp.request_lines import RequestLines, claim_standard_input
    from hive.harness.mcp.server import CAPABILITY, McpChannel, make_server

    lines = RequestLines(claim_standard_input())
    # The SDK only iterates over it.
    async with stdio_server(stdin=cast("Any", lines)) as (reading, writing):
        lines.open(writing.send)
        if not channel:
            await sdk.serve(make_server(tools), reading, writing)
            return
        channel_lines = McpChannel(client, writing.send)
        server = make_server(tools, channel_lines)
        try:
            await sdk.serve(server, reading, writing, CAPABILITY)
        finally:
            await channel_lines.close()


async def _announce(client: ManagerClient) -> None:
    """Announce this client once the daemon takes that; the client repeats it on reconnect."""
    try:
        await until_taken(partial(client.hello, Role.TOOL, DRIVER))
    except HiveError as refusal:
        logger.warning("the daemon has not taken this server: %s", refusal)
