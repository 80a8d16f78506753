"""Listening sockets: of any kind, of the operator, and of participants.

The daemon's lock on its state directory guarantees that no other daemon serves the same sockets, so
a socket file that exists is stale and is replaced.
"""

from __future__ import annotations

import asyncio
import grp
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Never

from actors import Actor, ExitReason
from hive.cancellation import shield_until_done
from hive.errors import FailedError
from hive.gateway.connection import Connection
from hive.names import MANAGER
from hive.participants.participant import Participant
from hive.paths import Paths, check_socket_path

BACKLOG = 1024
SOCKET_MODE = 0o660
ADMIN_GROUP = "hive-admin"


class Listener:
    """One listening socket and its connections.

    Args:
        path: The path of the socket; its directory is created if it is missing.
        connect: Makes the protocol of a new connection.
        group: Group that may use the socket, if this machine has it.
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
        self._no_connections = asyncio.Event()
        self._no_connections.set()

    async def open(self) -> None:
        """Bind and listen.

        Raises:
            FailedError: The socket cannot be bound; the message says what to do.
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
        """Stop listening, remove the socket file, disconnect all clients. Idempotent.

        Returns when all connections have ended; a client that does not read its answers has
        `CLOSE_TIMEOUT` seconds.
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
        await self._no_connections.wait()

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

    def connected(self, connection: Connection) -> None:
        """Add a connection that was made."""
        self._connections.add(connection)
        self._no_connections.clear()
        if self._sock is None:  # accepted before `close`, reported only now
            connection.close()

    def disconnected(self, connection: Connection) -> None:
        """Remove a connection that was lost."""
        self._connections.discard(connection)
        if not self._connections:
            self._no_connections.set()


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
    """Give the socket to a group; if the machine has no such group, only its owner may use it."""
    if group is None:
        return
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        return
    if gid != path.stat().st_gid and (os.geteuid() == 0 or gid in os.getgroups()):
        os.chown(path, -1, gid)


class OperatorSocket(Actor[Never]):
    """The actor of host.sock: it listens while it runs.

    Args:
        path: The path of the socket.
        connect: Makes the protocol of a new connection.
    """

    def __init__(self, path: Path, connect: Callable[[], Connection]) -> None:
        self._listener = Listener(path, connect, group=ADMIN_GROUP)

    async def on_start(self) -> None:
        """Bind the socket."""
        await self._listener.open()

    async def on_stop(self, reason: ExitReason) -> None:
        """Close the socket; answers that are ready are still written."""
        await self._listener.close()

    def receive(self, message: Never) -> None:
        """Unused: this actor has no messages."""


Connect = Callable[[Participant, str], Connection]
"""Makes the protocol of a new connection, of a participant and the path of its socket."""


class ParticipantSockets:
    """Opens and closes the sockets of participants, one for each.

    The manager has two: that of its own directory, which is mounted into its container, and
    manager.sock.

    Args:
        paths: The paths of the sockets.
        connect: Makes the protocol of a new connection.
    """

    def __init__(self, paths: Paths, connect: Connect) -> None:
        self._paths = paths
        self._connect = connect
        self._open: dict[str, tuple[Listener, ...]] = {}

    async def open(self, participant: Participant) -> None:
        """Listen on the socket of a participant; its directory is created if it is missing."""
        await self.close(participant)
        listeners = tuple(self._listeners(participant))
        self._open[participant.name] = listeners
        for listener in listeners:
            await listener.open()

    async def close(self, participant: Participant) -> None:
        """Stop listening and disconnect all clients."""
        for listener in self._open.pop(participant.name, ()):
            await listener.close()

    def _listeners(self, participant: Participant) -> list[Listener]:
        paths = [self._paths.agent_socket(participant.name)]
        if participant.name == MANAGER:
            paths.append(self._paths.manager_socket)
        return [
            Listener(path, lambda path=path: self._connect(participant, str(path)))  # type: ignore[misc]
            for path in paths
        ]
