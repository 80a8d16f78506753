"""Listening sockets: of any kind, of the operator, and of participants.

The daemon's lock on its state directory guarantees that no other daemon serves the same sockets, so
a socket file that exists is stale and is replaced.

The directory of a participant's socket is visible in its container, whose root user may put any
file there. So a socket is bound in a directory that only the daemon may enter, gets its permissions
there, and is renamed into place: rename(2) follows no link in the last part of a path.
"""

from __future__ import annotations

import asyncio
import errno
import grp
import logging
import os
import socket
import stat
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Never

from attrs import define

from actors import Actor, ExitReason
from hive.cancellation import shield_until_done
from hive.descriptors import RESERVED, is_in_reserve
from hive.errors import FailedError, UnavailableError
from hive.gateway.budget import LogThrottle
from hive.gateway.connection import Connection
from hive.gateway.inotify import RemovalWatch
from hive.machines.operations import purge_directory
from hive.names import MANAGER
from hive.participants.participant import Participant
from hive.paths import (
    PRIVATE_MODE,
    SOCKET_DIR_MODE,
    Paths,
    check_socket_path,
    make_directory,
    require_private,
)

logger = logging.getLogger(__name__)

BACKLOG = 1024
SOCKET_MODE = 0o660
ADMIN_GROUP = "hive-admin"

RETRY_SECONDS = 1.0
"""Seconds between two attempts to bind a socket again that was removed."""

_REMEDIES = {
    errno.EISDIR: "remove the directory that is in its place",
    errno.EXDEV: "its directory must not be a mount of its own",
    errno.ENOSPC: "free space or inodes on that file system, see `df -i`",
}
_REMEDY = "check who owns the directory and whether its file system is writable"

_numbers = count()


def _no_report() -> None:
    """Report nothing: the trouble is logged."""


@define(eq=False)
class _Bound:
    """A bound socket.

    Attributes:
        sock: The socket.
        identity: Device and inode of its file.
        watch: The watch for its removal; None if there is none.
        server: Accepts its connections, once it listens.
    """

    sock: socket.socket
    identity: tuple[int, int]
    watch: int | None
    server: asyncio.Server | None = None

    def close(self) -> None:
        """Accept no more connections."""
        if self.server is not None:
            self.server.close()
        self.sock.close()


class Listener:
    """One listening socket and its connections.

    A socket whose file was removed is bound again; its connections stay.

    Args:
        path: The path of the socket; its directory is created if it is missing.
        connect: Makes the protocol of a new connection.
        new_sockets: Directory of the daemon alone in which the socket is bound; it is created if it
            is missing, and is on the same file system as the path.
        removals: Watches the directory.
        group: Group that may use the socket, if this machine has it. By default that of the
            directory, if its setgid bit is set.
        report: Called after a change of `trouble`.
        most: Most connections; they also leave the last descriptors of the daemon to others. None
            for no limit.

    Attributes:
        trouble: Why new clients cannot connect any more; None if they can.
    """

    def __init__(
        self,
        path: Path,
        connect: Callable[[], Connection],
        *,
        new_sockets: Path,
        removals: RemovalWatch,
        group: str | None = None,
        report: Callable[[], object] = _no_report,
        most: int | None = None,
    ) -> None:
        self.path = check_socket_path(path)
        self._connect = connect
        self._new_sockets = new_sockets
        self._removals = removals
        self._group = group
        self._report = report
        self._bound: list[_Bound] = []
        self.trouble: str | None = None
        self._losses = LogThrottle()
        self._retry: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[None] | None = None
        self._check_again = False
        self._most = most
        self._refusals = LogThrottle()
        self._connections: set[Connection] = set()
        self._no_connections = asyncio.Event()
        self._no_connections.set()

    async def open(self) -> None:
        """Bind and listen.

        Raises:
            FailedError: The socket cannot be bound; the message says what to do.
        """
        self._removals.open()
        try:
            await self._bind_and_listen()
        except OSError as error:
            await self._close()
            raise FailedError(self._describe(error)) from error
        except asyncio.CancelledError:
            await self._close()
            raise

    async def close(self) -> None:
        """Stop listening, remove the socket file, disconnect all clients. Idempotent.

        Returns when all connections have ended; a client that does not read its answers has
        `CLOSE_TIMEOUT` seconds. A file that cannot be removed is logged.
        """
        if self._bound:
            await self._close()

    async def _close(self) -> None:
        had_bound = bool(self._bound)
        self._close_bound()
        for connection in tuple(self._connections):
            connection.close()
        try:
            await self._end_check()
        finally:
            self._close_bound()
            self._removals.close()
        if had_bound:
            await asyncio.to_thread(self._remove)
        await self._no_connections.wait()

    async def _end_check(self) -> None:
        if self._check is not None:
            self._check.cancel()
            await shield_until_done(asyncio.wait([self._check]))
        if self._retry is not None:
            self._retry.cancel()

    def _close_bound(self, but: int = 0) -> None:
        """Close all bound sockets `but` the newest ones."""
        older = self._bound[: len(self._bound) - but]
        del self._bound[: len(older)]
        watches = {each.watch for each in self._bound}
        for each in older:
            if each.watch not in watches:
                self._removals.remove(each.watch)
            each.close()

    async def _bind_and_listen(self) -> None:
        await shield_until_done(asyncio.to_thread(self._bind))
        newest = self._bound[-1]
        loop = asyncio.get_running_loop()
        newest.server = await loop.create_unix_server(
            self._accept, sock=newest.sock, backlog=BACKLOG, start_serving=False
        )
        await newest.server.start_serving()

    def _bind(self) -> None:
        make_directory(self.path.parent, SOCKET_DIR_MODE)
        watch = self._removals.add(self.path.parent, self._removed)
        try:
            sock, identity = _bind(self.path, self._new_sockets, self._group)
        except BaseException:
            if all(each.watch != watch for each in self._bound):
                self._removals.remove(watch)
            raise
        self._bound.append(_Bound(sock, identity, watch))

    def _remove(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s is not removed: %s", self.path, error.strerror)

    def _removed(self) -> None:
        """Look whether the socket's file is the one that was removed."""
        if not self._bound:
            return
        if self._check is not None and not self._check.done():
            self._check_again = True
            return
        if self._retry is not None:
            self._retry.cancel()
        self._check_again = False
        self._check = asyncio.create_task(self._restore(), name=f"bind {self.path}")

    async def _restore(self) -> None:
        """Bind the socket again if its file is not in its place; retry until it is."""
        newest = self._bound[-1]
        in_place = await asyncio.to_thread(_identity, self.path) == newest.identity
        try:
            if not in_place or newest.server is None:
                await self._bind_and_listen()
                self._losses.warning("%s was removed and is bound again", self.path)
        except OSError as error:
            self._set_trouble(self._describe(error))
        else:
            self._set_trouble(None)
        self._close_bound(but=1)
        if self.trouble is not None or self._check_again:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(RETRY_SECONDS, self._removed)

    def _set_trouble(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self._report()
            if trouble is not None:
                self._losses.warning("%s", trouble)

    def _describe(self, error: OSError) -> str:
        remedy = _REMEDIES.get(error.errno or 0, _REMEDY)
        return f"cannot listen on {self.path}: {error.strerror}; {remedy}"

    def _accept(self) -> Connection:
        connection = self._connect()
        connection.acceptor = self
        return connection

    def connected(self, connection: Connection) -> None:
        """Add a connection that was made."""
        self._connections.add(connection)
        self._no_connections.clear()
        if not self._bound:  # accepted before `close`, reported only now
            connection.close()
        elif self._most is not None and (why := self._why_not(connection, self._most)):
            self._refuse(connection, why)

    def _why_not(self, connection: Connection, most: int) -> str | None:
        """Return why a client cannot be served, None if it can."""
        if len(self._connections) > most:
            return (
                f"{self.path.parent.name}/{self.path.name} has {most} connections, the most that "
                "'connections' of [limits] allows; close one of them"
            )
        if is_in_reserve(connection.descriptor):
            return (
                f"the daemon has fewer than {RESERVED} file descriptors left, which are for the "
                "operator; close connections, or raise LimitNOFILE of its unit"
            )
        return None

    def _refuse(self, connection: Connection, why: str) -> None:
        self._refusals.warning("a connection to %s was refused: %s", self.path, why)
        connection.refuse(UnavailableError(why))

    def disconnected(self, connection: Connection) -> None:
        """Remove a connection that was lost."""
        self._connections.discard(connection)
        if not self._connections:
            self._no_connections.set()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file, not of what it links to; None if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bind(
    path: Path, new_sockets: Path, group: str | None
) -> tuple[socket.socket, tuple[int, int]]:
    """Return the socket, and device and inode of its file."""
    gid = _group_id(path.parent, group)
    if not _may_give(gid):
        new_sockets = path.parent / ".new"  # inherits the group, which only the kernel may give
    make_directory(new_sockets, PRIVATE_MODE, narrow=True)
    require_private(new_sockets)
    new = new_sockets / f"{next(_numbers) % 100_000}"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        new.unlink(missing_ok=True)  # of a daemon that was killed
        sock.bind(str(new))
        new.chmod(SOCKET_MODE)
        if gid is not None and _may_give(gid):
            os.chown(new, -1, gid)
        sock.listen(BACKLOG)
        found = new.lstat()
        new.rename(path)
    except BaseException:
        sock.close()
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    return sock, (found.st_dev, found.st_ino)


def _group_id(directory: Path, group: str | None) -> int | None:
    """Return the group of a new socket; None leaves that of the daemon.

    A file that is renamed does not get the group of a directory with a setgid bit by itself.
    """
    if group is None:
        found = directory.stat()
        return found.st_gid if found.st_mode & stat.S_ISGID else None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:  # then only its owner may use it
        return None


def _may_give(gid: int | None) -> bool:
    """Return whether this process may give a file to a group; None is its own."""
    return gid is None or os.geteuid() == 0 or gid in {os.getegid(), *os.getgroups()}


class OperatorSocket(Actor[Never]):
    """The actor of host.sock: it listens while it runs.

    Args:
        paths: The path of the socket.
        connect: Makes the protocol of a new connection.
    """

    def __init__(self, paths: Paths, connect: Callable[[], Connection]) -> None:
        self._listener = Listener(
            paths.host_socket,
            connect,
            new_sockets=paths.new_sockets_dir,
            removals=RemovalWatch(),
            group=ADMIN_GROUP,
        )

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
        changed: Called after a change of a participant's `socket_error`.
        connections: Most connections to each socket.
    """

    def __init__(
        self,
        paths: Paths,
        connect: Connect,
        changed: Callable[[Participant], object],
        *,
        connections: int,
    ) -> None:
        self._paths = paths
        self._connect = connect
        self._changed = changed
        self._connections = connections
        self._removals = RemovalWatch()
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
        participant.socket_error = None
        async with AsyncExitStack() as stack:  # closes each, also if the one before it fails
            for listener in self._open.pop(participant.name, ()):
                stack.push_async_callback(listener.close)

    async def purge(self, name: str) -> None:
        """Remove the directory of a closed socket, with all that a participant put there.

        Raises:
            FailedError: Something in it cannot be removed.
        """
        try:
            await asyncio.to_thread(purge_directory, self._paths.run_dir, "agents", name)
        except OSError as error:
            raise FailedError(f"{self._paths.socket_dir(name)} is not removed: {error}") from error

    def _listeners(self, participant: Participant) -> list[Listener]:
        paths = [self._paths.agent_socket(participant.name)]
        if participant.name == MANAGER:
            paths.append(self._paths.manager_socket)
        return [self._listener(participant, path) for path in paths]

    def _listener(self, participant: Participant, path: Path) -> Listener:
        def report() -> None:
            troubles = (each.trouble for each in self._open.get(participant.name, ()))
            participant.socket_error = next(filter(None, troubles), None)
            self._changed(participant)

        return Listener(
            path,
            lambda: self._connect(participant, str(path)),
            new_sockets=self._paths.new_sockets_dir,
            removals=self._removals,
            report=report,
            most=self._connections,
        )
