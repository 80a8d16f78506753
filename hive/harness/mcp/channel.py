"""Pushing a line into a Claude Code session when mail comes, by its channels (a preview).

A channel is a bell and no more: Claude Code does not say whether the model saw the line, and drops
it in silence where channels are not allowed. The mail stays in the inbox until it is acked. See
the channels reference of Claude Code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import mcp_types as types
from attrs import define, field
from mcp.shared.message import SessionMessage

from hive.client.api import AgentClient
from hive.harness.notifier import Bell
from hive.harness.unread import HINT, News, headline

SETTLE = 2.0
"""Seconds from the question for the tools to the first line: what comes before Claude Code has
taken them up begins a turn without them."""

METHOD = "notifications/claude/channel"
"""The notification that Claude Code listens to."""

CAPABILITY: dict[str, dict[str, Any]] = {"claude/channel": {}}
"""What the server declares at the handshake; without it, Claude Code does not listen."""


@define(eq=False)
class Channel:
    """Tells the client of an MCP server that mail waits, once it has begun to ask for tools.

    Attributes:
        write: Writes to the server's client.
    """

    client: AgentClient
    write: Callable[[SessionMessage], Awaitable[None]]
    _bell: asyncio.Task[None] | None = field(default=None, init=False)

    def open(self) -> None:
        """Begin to push. Idempotent."""
        if self._bell is None:
            self._bell = asyncio.create_task(self._ring(), name="channel")

    async def close(self) -> None:
        """Push nothing more."""
        if self._bell is not None:
            self._bell.cancel()
            await asyncio.wait([self._bell])

    async def _ring(self) -> None:
        await asyncio.sleep(SETTLE)
        await Bell(self.client, self._push).run()

    async def _push(self, news: Sequence[News]) -> None:
        params = {"content": f"{headline(news)} {HINT}", "meta": {"count": str(len(news))}}
        notification = types.JSONRPCNotification(jsonrpc="2.0", method=METHOD, params=params)
        await self.write(SessionMessage(notification))
