"""The two ends of a lane with their own protocol code, without a client library."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from pathlib import Path
from typing import TypeVar, cast

from attrs import frozen

from benchmarks.delivery.systems.base import Delivered, Stored


class End(asyncio.Protocol):
    """One connection."""

    transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport = cast("asyncio.WriteTransport", transport)

    def close(self) -> None:
        """Disconnect."""
        self.transport.close()


class SenderEnd(End):
    """Sends the same request repeatedly.

    Args:
        request: What it sends.
    """

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._stored: Stored | None = None

    def send(self, stored: Stored) -> None:
        """Send the request once."""
        self._stored = stored
        self.transport.write(self._request)

    def confirm(self) -> None:
        """Report that the server has confirmed the request."""
        assert self._stored is not None
        self._stored()


class ReceiverEnd(End):
    """Waits for messages and acks them."""

    delivered: Delivered

    def listen(self, delivered: Delivered) -> None:
        """Ask for messages from now on."""
        self.delivered = delivered
        self.ask()

    @abstractmethod
    def ask(self) -> None:
        """Ask the server for the first messages."""


@frozen
class WireLane:
    """A lane of two raw connections."""

    sender: SenderEnd
    receiver: ReceiverEnd

    def send(self, stored: Stored) -> None:
        """Send one message."""
        self.sender.send(stored)

    def listen(self, delivered: Delivered) -> None:
        """Receive from now on."""
        self.receiver.listen(delivered)

    async def close(self) -> None:
        """Disconnect both ends."""
        self.sender.close()
        self.receiver.close()


E = TypeVar("E", bound=End)


async def connected(end: E, path: Path) -> E:
    """Connect one end to a unix socket."""
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(lambda: end, str(path))
    return end
