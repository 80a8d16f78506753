"""Servers that answer `whoami`, which needs neither the broker nor the disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

from attrs import frozen

from benchmarks.delivery.process import Served, Server
from benchmarks.delivery.systems import streams_server
from benchmarks.delivery.systems.base import Delivered, Lane, Stored
from benchmarks.delivery.systems.lines import LineSender
from benchmarks.delivery.systems.wire import connected

ASKER = "r0"
"""The participant that sends `whoami`."""


class SocketServer(Protocol):
    """A server with a socket for each participant."""

    @property
    def name(self) -> str:
        """Its name in the report."""
        ...

    def socket(self, name: str) -> Path:
        """Return the path of a participant's socket."""
        ...

    def cpu_seconds(self) -> float:
        """Return the CPU time that the server has used so far."""
        ...


class Streams(Served):
    """One `streams_server`."""

    name = "streams"
    missing = None

    def __init__(self) -> None:
        self._socket = Path()

    async def start(self, directory: Path) -> None:
        """Start the server."""
        self._socket = directory / "streams.sock"
        command = [sys.executable, "-m", streams_server.__name__, str(self._socket)]
        environ = {"PYTHONPATH": str(Path(__file__).parents[3])}
        self._server = Server(command, directory, environ)
        await self._server.until(self._socket.exists)

    def socket(self, name: str) -> Path:
        """Return the path of its only socket."""
        del name
        return self._socket


@frozen
class Front:
    """A server that answers `whoami`; each lane is one connection that sends it."""

    server: SocketServer

    @property
    def name(self) -> str:
        """Its name in the report."""
        return self.server.name

    async def connect(self, count: int) -> list[Lane]:
        """Open `count` connections of one participant."""
        path = self.server.socket(ASKER)
        return [_Asking(await connected(LineSender(cmd="whoami"), path)) for _ in range(count)]

    def cpu_seconds(self) -> float:
        """Return the CPU time that the server has used so far."""
        return self.server.cpu_seconds()


@frozen
class _Asking:
    asker: LineSender

    def send(self, stored: Stored) -> None:
        self.asker.send(stored)

    def listen(self, delivered: Delivered) -> None:
        """Do nothing: no message is delivered."""

    async def close(self) -> None:
        self.asker.close()
