"""Listening sockets: of any kind, of the operator, and of participants.

The daemon's lock on its state directory guarantees that no other daemon serves the same sockets, so
a socket file that exists is stale and is replaced.

The directory of a participant's socket is visible in its container, whose root user may be able to
put any file there; `hive.gateway.socket_file` binds sockets in such a directory.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Never

from attrs import define

from actors import Actor, ExitReason
from hive.base_directories import check_socket_path
from hive.cancellation import shield_until_done
from hive.descriptors import RESERVED, is_in_reserve
from hive.errors import FailedError, HiveError, UnavailableError
from hive.gateway.budget import LogThrottle
from hive.gateway.connection import Connection
from hive.gateway.inotify import RemovalWatch, Watches
from hive.gateway.socket_file import bind, group_of, identity, make_parent
from hive.machines.agent_files import purge_directory
from hive.names import ADMIN_GROUP, MANAGER
from hive.participants.participant import Participant
from hive.paths import Paths
from hive.quantities import counted
from hive.store import Kind

logger = logging.getLogger(__name__)

BACKLOG = 1024

RETRY_SECONDS = 1.0
"""Seconds between two attempts to bind a socket again that was removed."""

_REMEDIES = {
    errno.EISDIR: "remove the directory that is in its place",
    errno.EDQUOT: "free space or inodes of its quota",
    errno.ENOSPC: "free space or inodes on that file system, see `df -i`",
}
_REMEDY = "check who owns the directory and whether its file system is writable"


def _no_report() -> None:
    """Report nothing: the trouble is logged."""


@define(eq=False)
class _Bound:
    """A bound socket.

    Attributes:
        sock: The socket.
        identity: Device and inode of its file.
        watches: The watches for its removal.
        server: Accepts its connections, once it listens.
    """

    sock: socket.socket
    identity: tuple[int, int]
    watches: Watches
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
        removals: Watches the directory and those above it.
        group: Group that may use the socket, if this machine has it. By default that of the
            daemon, or that of the directory, if its setgid bit is set.
        report: Called after a change of `trouble`.
        most: Most connections; they also leave the last descriptors of the daemon to others. None
            for no limit.
        relock: Called in a thread before each bind, after the directory was made; may raise
            HiveError if the directory is not ours any more.
        follows: Whether the directory's group is heeded each time and not only at first: no
            participant can change it.

    Attributes:
        most: Most connections, for the next ones.
        trouble: Why new clients cannot connect any more; None if they can.
    """

    def __init__(
        self,
        path: Path,
        connect: Callable[[], Connection],
        *,
        removals: RemovalWatch,
        group: str | None = None,
        report: Callable[[], object] = _no_report,
        most: int | None = None,
        relock: Callable[[], object] = _no_report,
        follows: bool = False,
    ) -> None:
        self.path = check_socket_path(path)
        self._connect = connect
        self._removals = removals
        self._group = group
        self._report = report
        self._bound: list[_Bound] = []
        self._directory: os.stat_result | None = None
        self.trouble: str | None = None
        self._losses = LogThrottle(logger)
        self._retry: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[None] | None = None
        self._check_again = False
        self.most = most
        self._relock = relock
        self._follows = follows
        self._refusals = LogThrottle(logger)
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
        except (asyncio.CancelledError, HiveError):
            await self._close()
            raise

    async def close(self) -> None:
        """Stop listening, remove the socket file, disconnect all clients. Idempotent.

        Returns when all connections have ended; a client that does not read its answers has
        `CLOSE_TIMEOUT` seconds. A file that cannot be removed is logged.
        """
        if self._bound:
            await self._close()

    async def heed_directory(self) -> None:
        """Bind the socket again, with the group that the directory has now; connections stay.

        For an operator who has changed the directory. `trouble` says if it cannot be bound.
        """
        if not self._bound:
            return
        self._directory = None
        self._removed()
        if self._check is not None:
            await asyncio.wait([self._check])

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
        for each in older:
            self._end_watches(each.watches)
            each.close()

    def _end_watches(self, watches: Watches) -> None:
        """End those that no bound socket has."""
        kept = Watches().union(*(each.watches for each in self._bound))
        self._removals.remove(watches - kept, self._removed)

    async def _bind_and_listen(self) -> None:
        await shield_until_done(asyncio.to_thread(self._bind))
        newest = self._bound[-1]
        loop = asyncio.get_running_loop()
        newest.server = await loop.create_unix_server(
            self._accept, sock=newest.sock, backlog=BACKLOG, start_serving=False
        )
        await newest.server.start_serving()

    def _bind(self) -> None:
        at_first = make_parent(self.path, self._directory)
        self._directory = self.path.parent.stat() if self._follows else at_first
        watches = self._removals.add(self.path.parent, self._removed)
        try:
            self._relock()
            gid = group_of(self._group, self._directory)
            sock, found = bind(self.path, gid, BACKLOG)
        except BaseException:
            self._end_watches(watches)
            raise
        self._bound.append(_Bound(sock, found, watches))

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
        in_place = await asyncio.to_thread(identity, self.path) == newest.identity
        try:
            if not in_place or newest.server is None or self._directory is None:
                await self._bind_and_listen()
                if not in_place:
                    self._losses.warning("%s was removed and is bound again", self.path)
        except OSError as error:
            self._set_trouble(self._describe(error))
        except HiveError as error:
            self._set_trouble(f"{self.path} was removed, and is not bound again: {error}")
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
        elif self.most is not None and (why := self._why_not(connection, self.most)):
            self._refuse(connection, why)

    def _why_not(self, connection: Connection, most: int) -> str | None:
        """Return why a client cannot be served, None if it can."""
        if len(self._connections) > most:
            return (
                f"{self.path.parent.name}/{self.path.name} has {counted(most, 'connection')}, the "
                "most that 'connections' of [limits] allows; close one of them"
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


class OperatorSocket(Actor[Never]):
    """The actor of host.sock: it listens while it runs.

    Args:
        paths: The path of the socket.
        connect: Makes the protocol of a new connection.
        relock: Takes the lock of the run directory again if its file was removed.
    """

    def __init__(
        self, paths: Paths, connect: Callable[[], Connection], relock: Callable[[], object]
    ) -> None:
        self._listener = Listener(
            paths.host_socket,
            connect,
            removals=RemovalWatch(),
            group=ADMIN_GROUP,
            relock=relock,
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

    def set_connections(self, most: int) -> None:
        """Change the most connections to a socket; those that are open stay."""
        self._connections = most
        for listener in (each for listeners in self._open.values() for each in listeners):
            listener.most = most

    async def heed_directory(self, participant: Participant) -> None:
        """Give the sockets of a participant the group that their directory has now."""
        for listener in self._open.get(participant.name, ()):
            await listener.heed_directory()

    async def remove_directory(self, name: str) -> None:
        """Remove the directory of a closed socket, if it is empty. Idempotent."""
        with suppress(OSError):
            await asyncio.to_thread(self._paths.socket_dir(name).rmdir)

    async def purge(self, name: str) -> None:
        """Remove the directory of a closed socket, with all that a participant put there.

        Raises:
            RemainsError: Something in it cannot be removed.
        """
        await asyncio.to_thread(purge_directory, self._paths.run_dir, "agents", name)

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
            removals=self._removals,
            report=report,
            most=self._connections,
            # Of an agent the directory is bound read-only, and the daemon gives it to the group of
            # the range of users that its container gets. A peer may have it writable.
            follows=participant.record.kind is not Kind.PEER,
        )
