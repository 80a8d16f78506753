"""A connection that is made again whenever it is lost."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random
from typing import Protocol, cast

from actors import Backoff
from hive.client.responses import unreachable
from hive.errors import HiveError
from hive.paths import check_socket_path
from hive.wire.framing import LineBuffer, TooLong

RESPONSE_MAX = 64 << 20
"""Bytes of the longest response line: 32 bodies, every character of them escaped, have room."""


class Listener(Protocol):
    """What a link tells its owner, on the loop, synchronously."""

    def link_up(self) -> None:
        """A new connection is there and can be written to."""
        ...

    def link_line(self, line: bytes) -> None:
        """A whole line has come."""
        ...

    def link_down(self) -> None:
        """The connection is gone; a new one will be tried."""
        ...

    def link_unreachable(self, error: HiveError) -> None:
        """A connection could not be made; it will be tried again."""
        ...


class Link:
    """Keeps one unix-socket connection up.

    Args:
        path: The socket.
        listener: Told of everything that happens.
        backoff: How long to wait between attempts. The count of attempts starts again once a
            connection has carried a line.
        random: Where jitter comes from.
    """

    def __init__(self, path: Path, listener: Listener, backoff: Backoff, random: Random) -> None:
        self._path = path
        self._listener = listener
        self._backoff = backoff
        self._random = random
        self._task: asyncio.Task[None] | None = None
        self._connection: _Connection | None = None

    @property
    def up(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    def open(self) -> None:
        """Begin to connect. Idempotent."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_up(), name="hive-link")

    async def close(self) -> None:
        """End the connection and make no new one."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def write(self, data: bytes) -> None:
        """Write to the connection that is up."""
        assert self._connection is not None
        self._connection.write(data)

    async def _keep_up(self) -> None:
        attempt = 0
        while True:
            connection = await self._connect()
            if connection is not None:
                try:
                    await self._serve(connection)
                finally:
                    await connection.close()
                if connection.heard:
                    attempt = 0
            await asyncio.sleep(self._backoff.delay(attempt, self._random))
            attempt += 1

    async def _connect(self) -> _Connection | None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_unix_connection(
                lambda: _Connection(self._listener), os.fspath(check_socket_path(self._path))
            )
        except HiveError as error:
            self._listener.link_unreachable(error)
        except OSError as error:
            self._listener.link_unreachable(unreachable(self._path, error))
        else:
            return connection
        return None

    async def _serve(self, connection: _Connection) -> None:
        self._connection = connection
        self._listener.link_up()
        try:
            await connection.lost.wait()
        finally:
            self._connection = None
            self._listener.link_down()


class _Connection(asyncio.Protocol):
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lines = LineBuffer(RESPONSE_MAX)
        self._transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()
        self.heard = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            if isinstance(line, TooLong):
                self._abort()
                return
            self.heard = True
            self._listener.link_line(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def close(self) -> None:
        self._abort()
        await self.lost.wait()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
