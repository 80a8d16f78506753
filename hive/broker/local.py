"""A broker without an actor around it: for embedding into one coroutine, and for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from actors import Request
from hive.broker import requests
from hive.broker.board import Board
from hive.broker.exchange import Exchange
from hive.broker.router import Router
from hive.clock import Clock, SystemClock
from hive.config import Limits
from hive.store import Store

R = TypeVar("R")


@asynccontextmanager
async def local_router(
    store: Store, limits: Limits | None = None, clock: Clock | None = None
) -> AsyncIterator[Router]:
    """Run an exchange on an open store for the length of a `with` block."""
    exchange = Exchange(store, limits or Limits(), clock or SystemClock())
    board = Board()
    await exchange.open()
    board.show(exchange.rules)
    try:
        yield Router(LocalPort(exchange), board, store)
    finally:
        await exchange.close()


class FutureReply:
    """A reply that resolves a future."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._future = future

    @property
    def expired(self) -> bool:
        """Whether the caller has stopped waiting."""
        return self._future.done()

    def send(self, value: object) -> None:
        """Answer with a value."""
        if not self._future.done():
            self._future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        if not self._future.done():
            self._future.set_exception(error)


class LocalPort:
    """The way to an exchange that is driven directly, without an actor around it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def ask(self, request: Request[R], timeout: float | None) -> asyncio.Future[R]:
        """Send a request; `timeout` is not used, an exchange always answers."""
        del timeout
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._exchange.handle(request, FutureReply(future))
        return future

    def tell(self, message: requests.Note) -> None:
        """Send a note."""
        self._exchange.note(message)
