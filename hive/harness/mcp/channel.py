"""Claude Code channels (a preview): pushes a line into a session when messages are unread.

A channel only notifies: Claude Code does not report whether the model saw the line, and drops it
without an error where channels are not allowed. The messages stay in the inbox until they are
acked. See the channels reference of Claude Code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import mcp_types as types
from attrs import define, field
from mcp.shared.message import SessionMessage

from hive.client.agent import AgentClient
from hive.harness.notifier import UnreadNotifier
from hive.harness.unread import HINT, UnreadMessage, headline

SETTLE_TIME = 2.0
"""Seconds from the client's request for the tools to the first line.

A line that comes before Claude Code has registered the tools starts a turn without them.
"""

METHOD = "notifications/claude/channel"
"""The MCP notification that carries a line."""

CAPABILITY: dict[str, dict[str, Any]] = {"claude/channel": {}}
"""The capability that the server declares; without it, Claude Code ignores the lines."""


@define(eq=False)
class Channel:
    """Notifies the client of an MCP server about unread messages, once it has asked for the tools.

    Attributes:
        write: Writes to the server's client.
    """

    client: AgentClient
    write: Callable[[SessionMessage], Awaitable[None]]
    _notifying: asyncio.Task[None] | None = field(default=None, init=False)

    def open(self) -> None:
        """Start to push lines. Idempotent."""
        if self._notifying is None:
            self._notifying = asyncio.create_task(self._notify(), name="channel")

    async def close(self) -> None:
        """Stop pushing lines."""
        if self._notifying is not None:
            self._notifying.cancel()
            await asyncio.wait([self._notifying])

    async def _notify(self) -> None:
        await asyncio.sleep(SETTLE_TIME)
        await UnreadNotifier(self.client, self._push).run()

    async def _push(self, messages: Sequence[UnreadMessage]) -> None:
        content = f"{headline(messages)} {HINT}"
        params = {"content": content, "meta": {"count": str(len(messages))}}
        notification = types.JSONRPCNotification(jsonrpc="2.0", method=METHOD, params=params)
        await self.write(SessionMessage(notification))
