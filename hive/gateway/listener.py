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
from typing import Any

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
        self, path: Path, connect: Callable[[], Connection[Any]], *, group: str | None = None
    ) -> None:
        self.path = check_socket_path(path)
        self._connect = connect
        self._group = group
        self._server: asyncio.Server | None = None
        self._connections: set[Connection[Any]] = set()

    async def open(self) -> None:
        """Bind and listen.

        Raises:
            FailedError: When the socket cannot be bound, with what to do.
        """
        try:
            sock = await asyncio.to_thread(_bind, self.path, self._group)
        except OSError as error:
            raise FailedError(
                f"cannot listen on {self.path}: {error.strerror}; "
                "check who owns the directory and whether its file system is writable"
            ) from error
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._accept, sock=sock, backlog=BACKLOG)

    async def close(self) -> None:
        """Stop listening, remove the socket file, disconnect everyone. Idempotent."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        await asyncio.to_thread(self.path.unlink, missing_ok=True)
        for connection in tuple(self._connections):
            connection.close()
        self._connections.clear()

    def _accept(self) -> Connection[Any]:
        connection = self._connect()
        self._connections.add(connection)
        connection.on_lost = self._connections.discard
        return connection


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
