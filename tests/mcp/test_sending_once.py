"""A tool that sends while the daemon is restarted stores one message, not two."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hive.client.agent import AgentClient
from hive.harness.tools import SessionMail, for_kind
from hive.wire import agent as wire
from tests.harness.support.daemon import Daemon
from tests.mcp.conftest import named


async def test_a_send_without_an_answer_is_repeated_with_its_dedupe_key(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "mcp.sock")
    async with daemon, AgentClient(daemon.path) as client:
        tools = named(for_kind(client, manager=False, mail=SessionMail(client)))
        daemon.hold.add(wire.Send)
        sending = asyncio.ensure_future(tools["send"].call({"to": "bob", "body": "once"}))
        await daemon.until(lambda: daemon.of(wire.Send))
        await daemon.stop()
        daemon.hold.clear()
        await daemon.start()
        assert "id" in await sending
        first, second = daemon.of(wire.Send)
        assert isinstance(first, wire.Send)
        assert isinstance(second, wire.Send)
        assert first.dedupe_key == second.dedupe_key is not None
        await tools["send"].call({"to": "bob", "body": "once"})
        assert daemon.sent[-1].dedupe_key != first.dedupe_key, "said again is another message"
