"""A connection whose verbs do what a test says."""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from attrs import define, field

from actors import ReplyTo
from hive.errors import ConflictError, UnavailableError
from hive.gateway.answers import Answer, Asked, Fields, Push, Stream, later, pass_on
from hive.gateway.connection import Connection
from hive.gateway.flusher import Flusher
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from tests.support.hives import Line


class Say(Request, tag="say", kw_only=True, frozen=True):
    """Answered at once."""

    text: str


class Later(Request, tag="later", kw_only=True, frozen=True):
    """Answered by a future that the test completes."""

    name: str


class Park(Request, tag="park", kw_only=True, frozen=True):
    """Likewise, but out of order."""

    name: str


class Work(Request, tag="work", kw_only=True, frozen=True):
    """Answered by a coroutine."""

    name: str


class Watch(Request, tag="watch", frozen=True):
    """Answered by a stream."""


class Fail(Request, tag="fail", kw_only=True, frozen=True):
    """Raises."""

    how: str


class Busy(Request, tag="busy", frozen=True):
    """Answered by somebody who refuses even to be asked."""


DECODER: RequestDecoder[Request] = RequestDecoder(Say | Later | Park | Work | Watch | Fail | Busy)


@define(eq=False)
class ScriptedVerbs:
    """Answers, and remembers what it was asked."""

    asked: list[Request] = field(factory=list)
    futures: dict[str, asyncio.Future[Fields]] = field(
        factory=lambda: defaultdict(asyncio.get_running_loop().create_future)
    )
    stream: Callable[[Push], Coroutine[Any, Any, None]] | None = None
    errors: dict[str, Exception] = field(factory=lambda: {"refusal": ConflictError("taken")})
    closed: asyncio.Event = field(factory=asyncio.Event)

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        self.asked.append(request)
        match request:
            case Say(text=text):
                return {"text": text}
            case Later(name=name):
                return later(self.futures[name], _as_it_is)
            case Park(name=name):
                return Asked(partial(pass_on, self.futures[name]), _as_it_is, ordered=False)
            case Work(name=name):
                return self._work(name)
            case Watch():
                assert self.stream is not None
                return Stream(self.stream)
            case Busy():
                return Asked(_refuse, _as_it_is)
            case Fail(how=how):
                raise self.errors[how]
        raise AssertionError(request)

    async def _work(self, name: str) -> Fields:
        return await self.futures[name]

    def close(self) -> None:
        """The client has gone."""
        self.closed.set()


def _refuse(reply_to: ReplyTo[Fields]) -> None:
    raise UnavailableError("nobody is there")


def _as_it_is(fields: Fields) -> Fields:
    return fields


@define(eq=False)
class Served:
    """A client of scripted verbs.

    Attributes:
        running: The tasks of coroutine answers.
    """

    line: Line
    verbs: ScriptedVerbs
    connection: Connection[Request]
    running: set[asyncio.Task[Fields]]


@asynccontextmanager
async def served(*, buffer: int | None = None) -> AsyncIterator[Served]:
    """Connect a client to scripted verbs.

    Args:
        buffer: Bytes that the kernel keeps for a client that does not read.
    """
    ours, theirs = socket.socketpair()
    if buffer is not None:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    verbs, running = ScriptedVerbs(), set[asyncio.Task[Fields]]()
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(
        lambda: Connection(DECODER, lambda transport: verbs, running, Flusher()), sock=ours
    )
    line = Line(*await asyncio.open_unix_connection(sock=theirs, limit=1 << 22))
    try:
        yield Served(line, verbs, connection, running)
    finally:
        connection.abort()
        await verbs.closed.wait()
        await line.close()
