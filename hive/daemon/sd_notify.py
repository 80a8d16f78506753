"""What the daemon tells the systemd that started it: sd_notify(3), without a library.

One datagram for each message. Started by anything else, there is nobody to tell.
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
"""How often systemd hears from us within the time after which it would give us up."""


@frozen
class SystemdNotifier:
    """The way to the service manager.

    Attributes:
        address: Its socket: a path, or `@` and a name of the abstract namespace; None for nobody.
        watchdog: Seconds after which it takes our silence for a hang; None if it does not watch.
    """

    address: str | None = None
    watchdog: float | None = None

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> SystemdNotifier:
        """Return what the environment says, and take it out: no program of ours shall answer."""
        address = environ.pop("NOTIFY_SOCKET", None)
        usec = environ.pop("WATCHDOG_USEC", "")
        meant = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = usec.isdecimal() and int(usec) > 0 and meant
        return cls(address, int(usec) / 1e6 if watched else None)

    def ready(self, status: str) -> None:
        """Tell that requests are answered from now on."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """Tell how it goes, in the line that `systemctl status` shows."""
        self._send(f"STATUS={status}")

    def stopping(self, status: str) -> None:
        """Tell that the orderly end has begun."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    async def keep_alive(self) -> None:
        """Show, as long as the loop runs, that it runs; returns only if nobody watches."""
        while self.watchdog is not None:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / PINGS)

    def _send(self, message: str) -> None:
        """Send one datagram; that nobody takes it is worth a line, but no reason to end."""
        if self.address is None:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            try:
                out.setblocking(False)
                out.sendto(message.encode(), address)
            except OSError as error:
                logger.warning("systemd could not be told: %s", error)


NOBODY = SystemdNotifier()
"""For a daemon that was not started by systemd."""
