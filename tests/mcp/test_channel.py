"""The time at which a channel pushes a line: `hive-ag3nt mcp --channel` without a client."""

from __future__ import annotations

from typing import Any

import pytest

from actors.testing import advance
from hive.harness.mcp.server import METHOD, SETTLE_TIME, McpChannel
from tests.mcp.conftest import Session

pytestmark = pytest.mark.sim


async def test_a_channel_pushes_no_line_before_the_client_has_fetched_the_tools(
    session: Session,
) -> None:
    pushed: list[Any] = []

    async def write(message: Any) -> None:
        pushed.append(message.message)

    channel = McpChannel(session.client, write)
    await session.bob.send("damocles", "hello")
    channel.open()
    channel.open()
    await advance(SETTLE_TIME - 0.1)
    assert pushed == []
    await advance(0.2)
    [line] = pushed
    assert (line.method, line.params["meta"]) == (METHOD, {"count": "1"})
    await channel.close()
    await session.bob.send("damocles", "more")
    await advance(10)
    assert len(pushed) == 1
