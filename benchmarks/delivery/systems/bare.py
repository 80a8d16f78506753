"""The bare stack: our libraries without our features, to see what they allow."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.delivery.process import Served, Server
from benchmarks.delivery.systems import bare_server
from benchmarks.delivery.systems.base import Lane
from benchmarks.delivery.systems.lines import LineReceiver, sender_to
from benchmarks.delivery.systems.wire import WireLane, connected


class BareStack(Served):
    """One `bare_server`, driven by the same clients as the daemon."""

    name = "bare stack"
    missing = None

    def __init__(self) -> None:
        self._directory = Path()

    async def start(self, directory: Path, lanes: int) -> None:
        """Start the server."""
        self._directory = directory
        command = [sys.executable, "-m", bare_server.__name__, str(directory), str(lanes)]
        environ = {"PYTHONPATH": str(Path(__file__).parents[3])}
        self._server = Server(command, directory, environ)
        await self._server.until((directory / bare_server.READY).exists)

    async def connect(self, count: int) -> list[Lane]:
        """Open the first `count` lanes."""
        return [
            WireLane(
                await connected(sender_to(f"r{lane}"), self._directory / f"s{lane}.sock"),
                await connected(LineReceiver(), self._directory / f"r{lane}.sock"),
            )
            for lane in range(count)
        ]
