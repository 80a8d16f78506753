"""Messages of the daemon to the systemd that started it: sd_notify(3), without a library.

One datagram for each message. Without systemd, nothing is sent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import MutableMapping

from attrs import frozen

logger = logging.getLogger(__name__)

PINGS = 2
"""Watchdog messages within the watchdog's timeout."""


@frozen
class SystemdNotifier:
    """Sends messages to the service manager.

    Attributes:
        address: Its socket: a path, or `@` and a name of the abstract namespace, or None.
        watchdog: Seconds without a message after which systemd considers the daemon hung; None
            without a watchdog.
    """

    address: str | None = None
    watchdog: float | None = None

    @classmethod
    def from_environ(cls, environ: MutableMapping[str, str]) -> SystemdNotifier:
        """Return the notifier of an environment.

        Its variables are removed, so that children do not inherit them.
        """
        address = environ.pop("NOTIFY_SOCKET", None)
        usec = environ.pop("WATCHDOG_USEC", "")
        is_ours = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = usec.isdecimal() and int(usec) > 0 and is_ours
        return cls(address, int(usec) / 1e6 if watched else None)

    def ready(self, status: str) -> None:
        """Report that requests are answered from now on."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send(f"STATUS={status}")

    def stopping(self, status: str) -> None:
        """Report that the orderly end has begun."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def still_stopping(self, status: str, seconds: float) -> None:
        """Report that the end goes on, and ask for more time, beyond `TimeoutStopSec=` if needed.

        See `EXTEND_TIMEOUT_USEC=` in sd_notify(3): it must be sent again within that time.
        """
        self._send(f"STATUS={status}\nEXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    async def keep_alive(self) -> None:
        """Send watchdog messages as long as the loop runs; returns at once without a watchdog."""
        while self.watchdog is not None:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / PINGS)

    def _send(self, message: str) -> None:
        """Send one datagram; log a failure, which does not end the daemon."""
        if self.address is None:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            try:
                out.setblocking(False)
                out.sendto(message.encode(), address)
            except OSError as error:
                logger.warning("systemd could not be notified: %s", error)
