"""A broker without any features, which shows what our libraries allow.

It speaks the same lines over the same kind of sockets, puts each message into SQLite with the same
durability, and hands it over after the commit. It knows no names, limits, leases, receipts, retries
or errors, and would lose mail in more ways than one. Whatever a hive is slower than this is the
price of its features.

    python -m benchmarks.delivery.systems.bare_server DIRECTORY LANES
"""

from __future__ import annotations

import asyncio
import gc
import queue
import sqlite3
import sys
import threading
from collections import deque
from pathlib import Path
from typing import cast

import msgspec
import uvloop
from attrs import define, field

READY = "ready"
"""File that is created once all sockets exist."""


class _Send(msgspec.Struct, tag_field="cmd", tag="send"):
    to: str
    body: str


class _Recv(msgspec.Struct, tag_field="cmd", tag="recv"):
    max: int
    ack: list[int]


class _Row(msgspec.Struct):
    id: int
    body: str


class _Mail(msgspec.Struct):
    messages: list[_Row]
    version: int = 1
    ok: bool = True


_decode = msgspec.json.Decoder(_Send | _Recv).decode
_encode = msgspec.json.Encoder().encode


@define(eq=False)
class _Inbox:
    rows: deque[_Row] = field(factory=deque)
    receiver: _Connection | None = None
    room: int = 0


@define(eq=False)
class _Batch:
    """The messages and acks of one commit."""

    inserted: list[tuple[int, str, str, str]] = field(factory=list)
    acked: list[tuple[int]] = field(factory=list)
    senders: list[_Connection] = field(factory=list)


class _Broker:
    """Inboxes in memory, and one commit after the other on a thread."""

    def __init__(self, database: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._inboxes: dict[str, _Inbox] = {}
        self._batch = _Batch()
        self._last_id = 0
        self._busy = False
        self._commits: queue.SimpleQueue[_Batch] = queue.SimpleQueue()
        threading.Thread(target=self._commit_all, args=[database], daemon=True).start()

    def inbox(self, name: str) -> _Inbox:
        return self._inboxes.setdefault(name, _Inbox())

    def send(self, sender: _Connection, request: _Send) -> None:
        self._last_id += 1
        self._batch.inserted.append((self._last_id, request.to, sender.name, request.body))
        self._batch.senders.append(sender)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._begin)

    def recv(self, receiver: _Connection, request: _Recv) -> None:
        self._batch.acked += [(number,) for number in request.ack]
        inbox = self.inbox(receiver.name)
        inbox.receiver, inbox.room = receiver, request.max
        self._serve(inbox)

    def _begin(self) -> None:
        batch, self._batch = self._batch, _Batch()
        self._commits.put(batch)

    def _commit_all(self, database: Path) -> None:
        with _opened(database) as connection:
            while True:
                batch = self._commits.get()
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("INSERT INTO mail VALUES (?, ?, ?, ?, 0)", batch.inserted)
                connection.executemany("UPDATE mail SET acked = 1 WHERE id = ?", batch.acked)
                connection.execute("COMMIT")
                self._loop.call_soon_threadsafe(self._committed, batch)

    def _committed(self, batch: _Batch) -> None:
        self._busy = bool(self._batch.inserted)
        if self._busy:
            self._begin()
        for (number, *_), sender in zip(batch.inserted, batch.senders, strict=True):
            sender.write(b'{"version":1,"ok":true,"id":%d}\n' % number)
        for number, to, _, body in batch.inserted:
            self.inbox(to).rows.append(_Row(number, body))
        for _, to, _, _ in batch.inserted:
            self._serve(self.inbox(to))

    def _serve(self, inbox: _Inbox) -> None:
        if inbox.receiver is None or not (inbox.rows and inbox.room):
            return
        mail = _Mail([inbox.rows.popleft() for _ in range(min(inbox.room, len(inbox.rows)))])
        inbox.room = 0
        inbox.receiver.write(_encode(mail) + b"\n")


class _Connection(asyncio.Protocol):
    def __init__(self, name: str, broker: _Broker) -> None:
        self.name = name
        self._broker = broker
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast("asyncio.WriteTransport", transport).write

    def connection_lost(self, exc: Exception | None) -> None:
        inbox = self._broker.inbox(self.name)
        if inbox.receiver is self:
            inbox.receiver = None

    def data_received(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            request = _decode(line)
            if isinstance(request, _Send):
                self._broker.send(self, request)
            else:
                self._broker.recv(self, request)


def _opened(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE mail (id INTEGER PRIMARY KEY, inbox TEXT, sender TEXT, body TEXT, acked INT)"
    )
    return connection


async def _serve(directory: Path, lanes: int) -> None:
    broker = _Broker(directory / "mail.db")
    loop = asyncio.get_running_loop()
    names = [f"{end}{lane}" for lane in range(lanes) for end in "sr"]
    servers = [
        await loop.create_unix_server(
            lambda name=name: _Connection(name, broker),  # type: ignore[misc]
            directory / f"{name}.sock",
        )
        for name in names
    ]
    gc.freeze()
    (directory / READY).touch()
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
