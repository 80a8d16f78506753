"""Requests of the dashboard to host.sock: none of them waits for another for long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hive.web.hive_client import HiveClient

pytestmark = pytest.mark.loops("asyncio")


class SlowDaemon:
    """Answers queries at once, and changes when the test says so."""

    def __init__(self) -> None:
        self.waiting = 0
        self.done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if json.loads(line)["cmd"] == "stop":
                self.waiting += 1
                await self.done.wait()
            writer.write(b'{"version":1,"ok":true}\n')
        writer.close()


@asynccontextmanager
async def client_of(daemon: SlowDaemon, socket: Path) -> AsyncIterator[HiveClient]:
    client = HiveClient(str(socket))
    async with await asyncio.start_unix_server(daemon.serve, socket):
        try:
            yield client
        finally:
            client.close()


async def test_changes_that_take_long_do_not_stop_the_pages(tmp_path: Path) -> None:
    daemon = SlowDaemon()
    async with client_of(daemon, tmp_path / "host.sock") as client:
        acts = [asyncio.create_task(client.act("session 1", "stop")) for _ in range(40)]
        async with asyncio.timeout(10):
            while daemon.waiting < len(acts):
                await asyncio.sleep(0.01)
        await asyncio.wait_for(client.ask("overview"), 5)
        await asyncio.wait_for(asyncio.to_thread(int), 5)  # where sessions are looked up and saved
        daemon.done.set()
        await asyncio.gather(*acts)
