"""Redis Streams: XADD, XREADGROUP and XACK over a unix socket, one stream for each lane."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

from attrs import define, field

from benchmarks.delivery.process import Served, Server
from benchmarks.delivery.systems.base import (
    BODY,
    TAKE,
    Lane,
    find_program,
    imported,
    without_module,
    without_program,
)
from benchmarks.delivery.systems.wire import End, ReceiverEnd, SenderEnd, WireLane, connected

PROGRAM = "redis-server"
GROUP = "g"
BLOCK = "0"
"""XREADGROUP waits for ever."""

_INCOMPLETE = False
"""Result of hiredis while a reply is not complete; no reply here is a boolean."""


@define(eq=False)
class Redis(Served):
    """One redis-server; every command is confirmed after the fsync that `appendfsync` asks for."""

    appendfsync: Literal["always", "everysec"]
    _socket: Path = field(default=Path(), init=False)

    @property
    def name(self) -> str:
        """Its name in the report."""
        return f"Redis {self.appendfsync}"

    @property
    def missing(self) -> str | None:
        """Why it cannot be run here."""
        return without_program(PROGRAM, f"Debian's package {PROGRAM}") or without_module(
            "hiredis", "hiredis"
        )

    async def start(self, directory: Path, lanes: int) -> None:
        """Start the server, with a stream and a consumer group for each lane."""
        program = find_program(PROGRAM)
        assert program is not None
        self._socket = directory / "redis.sock"
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "dir": str(directory),
            "save": "",
            "appendonly": "yes",
            "appendfsync": self.appendfsync,
            "auto-aof-rewrite-percentage": "0",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._server = Server([program, *options], directory)
        await self._server.until(self._socket.exists)
        admin = await connected(_Admin(), self._socket)
        for lane in range(lanes):
            await admin.call("XGROUP", "CREATE", _stream(lane), GROUP, "$", "MKSTREAM")
        admin.close()

    async def connect(self, count: int) -> list[Lane]:
        """Open the first `count` lanes."""
        return [
            WireLane(
                await connected(_Sender(_stream(lane)), self._socket),
                await connected(_Receiver(_stream(lane)), self._socket),
            )
            for lane in range(count)
        ]


def _stream(lane: int) -> str:
    return f"lane{lane}"


def _command(*words: str) -> bytes:
    """Return a command as the protocol's array of bulk strings."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class _Replies:
    """Cuts what arrives into replies."""

    def __init__(self) -> None:
        self._reader = imported("hiredis").Reader()

    def feed(self, data: bytes) -> list[Any]:
        """Return the replies that are complete now.

        Raises:
            hiredis.ReplyError: When the server refused a command.
        """
        self._reader.feed(data)
        replies = []
        while (reply := self._reader.gets()) is not _INCOMPLETE:
            if isinstance(reply, Exception):
                raise reply
            replies.append(reply)
        return replies


class _Admin(End):
    def __init__(self) -> None:
        self._replies = _Replies()
        self._waiting: asyncio.Future[Any] | None = None

    async def call(self, *words: str) -> Any:
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(_command(*words))
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        for reply in self._replies.feed(data):
            assert self._waiting is not None
            self._waiting.set_result(reply)


class _Sender(SenderEnd):
    def __init__(self, stream: str) -> None:
        super().__init__(_command("XADD", stream, "*", "body", BODY))
        self._replies = _Replies()

    def data_received(self, data: bytes) -> None:
        for _ in self._replies.feed(data):
            self.confirm()


class _Receiver(ReceiverEnd):
    """Acks and asks for more in one write; the reply to XACK is a number, to XREADGROUP a list."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._replies = _Replies()
        self._read = _command(
            *("XREADGROUP", "GROUP", GROUP, "c", "COUNT", str(TAKE), "BLOCK", BLOCK),
            *("STREAMS", stream, ">"),
        )

    def ask(self) -> None:
        self.transport.write(self._read)

    def data_received(self, data: bytes) -> None:
        for reply in self._replies.feed(data):
            if isinstance(reply, list):
                self._take(reply[0][1])

    def _take(self, entries: list[Any]) -> None:
        ids = [entry[0].decode() for entry in entries]
        self.transport.write(_command("XACK", self._stream, GROUP, *ids) + self._read)
        self.delivered(len(ids))
