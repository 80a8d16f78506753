"""Connections that cost their client nothing are closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from hive.web import bounded_connections
from hive.web.bounded_connections import BoundedConnection
from tests.support.daemons import PATIENCE

pytestmark = pytest.mark.loops("asyncio")

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"


@asynccontextmanager
async def connected(size: int) -> AsyncIterator[tuple[socket.socket, ServerState]]:
    """Connect to a server that answers each request with so many bytes, and reads no body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(size)})

    config, state = uvicorn.Config(app, ws="none", log_config=None), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    make: Callable[[], BoundedConnection] = lambda: BoundedConnection(config, state, {})  # noqa: E731
    server = await loop.create_server(make, "127.0.0.1", 0)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await loop.sock_connect(connection, server.sockets[0].getsockname())
        yield connection, state
    server.close()
    await asyncio.gather(*state.tasks)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0.05)


async def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_connections, "UNREAD_SECONDS", 1)
    async with connected(10_000_000) as (connection, state):
        await asyncio.get_running_loop().sock_sendall(
            connection, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        await until(lambda: len(state.connections) == 1)
        await until(lambda: not state.connections)


async def test_the_rest_of_an_answered_request_is_waited_for_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded_connections, "HEAD_SECONDS", 0.5)
    loop = asyncio.get_running_loop()
    async with connected(10) as (connection, state):
        await loop.sock_sendall(connection, HEAD)
        assert (await loop.sock_recv(connection, 999)).startswith(b"HTTP/1.1 200")
        await loop.sock_sendall(connection, b"123456789" + HEAD)
        assert (await loop.sock_recv(connection, 999)).startswith(b"HTTP/1.1 200")
        for _ in range(4):  # which puts the timeout of uvicorn off
            await loop.sock_sendall(connection, b"x")
            await asyncio.sleep(0.05)
        assert state.connections
        await until(lambda: not state.connections)
