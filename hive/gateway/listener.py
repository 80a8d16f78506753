"""A bound unix socket with its permissions and the connections that came in through it.

The daemon's lock on its state directory guarantees that no other daemon serves the same sockets, so
a socket file that is already there is a leftover and is replaced.
"""

from __future__ import annotations

import asyncio
import grp
import os
import socket
from collections.abc import Callable
from pathlib import Path

from hive.cancellation import shield_until_done
from hive.errors import FailedError
from hive.gateway.connection import Connection
from hive.paths import check_socket_path

BACKLOG = 1024
SOCKET_MODE = 0o660
ADMIN_GROUP = "hive-admin"


class Listener:
    """One listening socket.

    Args:
        path: Where it is bound; its directory is made if it is missing.
        connect: Makes the protocol of a new connection.
        group: Group that may use the socket, if it exists on this machine.
    """

    def __init__(
        self, path: Path, connect: Callable[[], Connection], *, group: str | None = None
    ) -> None:
        self.path = check_socket_path(path)
        self._connect = connect
        self._group = group
        self._server: asyncio.Server | None = None
        self._sock: socket.socket | None = None
        self._connections: set[Connection] = set()
        self._deserted = asyncio.Event()
        self._deserted.set()

    async def open(self) -> None:
        """Bind and listen.

        Raises:
            FailedError: When the socket cannot be bound, with what to do.
        """
        try:
            await shield_until_done(asyncio.to_thread(self._bind))
            await self._listen()
        except OSError as error:
            await self.close()
            raise FailedError(
                f"cannot listen on {self.path}: {error.strerror}; "
                "check who owns the directory and whether its file system is writable"
            ) from error
        except asyncio.CancelledError:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening, remove the socket file, disconnect everyone. Idempotent.

        Returns when everyone is gone; who does not read its answers is given `FAREWELL` seconds.
        """
        sock, self._sock = self._sock, None
        if sock is None:
            return
        server, self._server = self._server, None
        if server is not None:
            server.close()
        sock.close()
        for connection in tuple(self._connections):
            connection.close()
        await asyncio.to_thread(self.path.unlink, missing_ok=True)
        await self._deserted.wait()

    def _bind(self) -> None:
        self._sock = _bind(self.path, self._group)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            self._accept, sock=self._sock, backlog=BACKLOG, start_serving=False
        )
        await self._server.start_serving()

    def _accept(self) -> Connection:
        connection = self._connect()
        connection.acceptor = self
        return connection

    def made(self, connection: Connection) -> None:
        """Note that a client is there."""
        self._connections.add(connection)
        self._deserted.clear()
        if self._sock is None:  # it came in before we closed, and is told only now
            connection.close()

    def lost(self, connection: Connection) -> None:
        """Note that a client has gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._deserted.set()


def _bind(path: Path, group: str | None) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.bind(str(path))
        path.chmod(SOCKET_MODE)
        _give_to_group(path, group)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _give_to_group(path: Path, group: str | None) -> None:
    """Let the admin group in; without such a group the socket stays its owner's."""
    if group is None:
        return
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        return
    if gid != path.stat().st_gid and (os.geteuid() == 0 or gid in os.getgroups()):
        os.chown(path, -1, gid)
