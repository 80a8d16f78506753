"""A broker without an actor around it: for embedding into one coroutine, and for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from actors import ReplyTo, Request
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
    board.show(exchange.rules, exchange.loose_ends)
    try:
        yield Router(LocalPort(exchange), board, store)
    finally:
        await exchange.close()


class DirectReply:
    """A reply that goes straight to whoever takes it."""

    __slots__ = ("_to",)

    def __init__(self, to: ReplyTo[Any]) -> None:
        self._to = to

    @property
    def expired(self) -> bool:
        """Whether the caller has stopped waiting."""
        return self._to.done()

    def send(self, value: object) -> None:
        """Answer with a value."""
        if not self._to.done():
            self._to.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        if not self._to.done():
            self._to.set_exception(error)


class LocalPort:
    """The way to an exchange that is driven directly, without an actor around it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def ask(self, request: Request[R], timeout: float | None) -> asyncio.Future[R]:
        """Send a request; `timeout` is not used, an exchange always answers."""
        del timeout
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.send_request(request, future)
        return future

    def send_request(self, request: Request[R], reply_to: ReplyTo[R]) -> None:
        """Send a request whose answer somebody takes."""
        self._exchange.handle(request, DirectReply(reply_to))

    def tell(self, message: requests.Note) -> None:
        """Send a note."""
        self._exchange.note(message)
