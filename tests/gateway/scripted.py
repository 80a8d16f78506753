"""A connection whose verbs a test scripts, and whose broker answers when the test lets it."""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from attrs import define, field

from hive.errors import ConflictError, UnavailableError
from hive.gateway.budget import Budgets
from hive.gateway.connection import Connection
from hive.gateway.dispatch import Answer, Fields, Large, LongPoll, Push, Stream, serves
from hive.gateway.reading import GatewayContext
from hive.store import Kind
from hive.wire.agent import Recv
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


class Rows(Request, tag="rows", kw_only=True, frozen=True):
    """Answered by a large answer."""

    name: str


class Watch(Request, tag="watch", frozen=True):
    """Answered by a stream."""


class Fail(Request, tag="fail", kw_only=True, frozen=True):
    """Raises."""

    how: str


class Busy(Request, tag="busy", frozen=True):
    """Refused by the broker at once."""


class Post(Request, tag="post", kw_only=True, frozen=True):
    """Answered by the broker, in order, when the test lets it."""

    name: str


DECODER: RequestDecoder[Request] = RequestDecoder(
    Say | Later | Park | Work | Rows | Watch | Fail | Busy | Post | Recv
)


@define(eq=False)
class ScriptedBroker:
    """Answers requests in their order, when the test calls `commit`.

    Attributes:
        asked: Session and request, by token.
    """

    asked: list[tuple[Connection, Request, object]] = field(factory=list)

    def open_session(self, session: object) -> None:
        """Add a session."""

    def close_session(self, session: object) -> None:
        """Remove a session."""

    def handle(self, session: Connection, request: Request, token: object) -> None:
        """Record a request."""
        session.script.asked.append(request)  # type: ignore[attr-defined]
        if isinstance(request, Busy):
            raise UnavailableError("nobody is there")
        self.asked.append((session, request, token))

    def commit(self) -> None:
        """Answer all requests."""
        asked, self.asked = self.asked, []
        for session, request, token in asked:
            name = request.name if isinstance(request, Post) else "mail"
            session.answer(token, {"text": name}, not isinstance(request, Recv))


@define(eq=False)
class Script:
    """The script of a connection, and the requests that it had."""

    asked: list[Request] = field(factory=list)
    futures: dict[str, asyncio.Future[Fields]] = field(
        factory=lambda: defaultdict(asyncio.get_running_loop().create_future)
    )
    stream: Callable[[Push], Coroutine[Any, Any, None]] | None = None
    errors: dict[str, Exception] = field(factory=lambda: {"refusal": ConflictError("taken")})
    closed: asyncio.Event = field(factory=asyncio.Event)
    broker: ScriptedBroker = field(factory=ScriptedBroker)
    running: set[asyncio.Task[Fields]] = field(factory=set)
    budgets: Budgets = field(factory=lambda: Budgets(asyncio.get_running_loop()))


class ScriptedConnection(Connection):
    """A connection that follows a script."""

    __slots__ = ("script",)

    decoder: ClassVar[RequestDecoder[Request]] = DECODER
    to_broker: ClassVar[tuple[type[Request], ...]] = (Busy, Post, Recv)

    def __init__(self, script: Script) -> None:
        loop = asyncio.get_running_loop()
        context = GatewayContext(
            script.broker,  # type: ignore[arg-type]
            script.running,
            loop,
            script.budgets,
        )
        super().__init__("tester", Kind.PEER, "", context)
        self.script = script

    def closed(self) -> None:
        self.script.closed.set()

    @serves(Say)
    def _say_it(self, request: Say) -> Answer:
        self.script.asked.append(request)
        return {"text": request.text}

    @serves(Park)
    def _park(self, request: Park) -> Answer:
        self.script.asked.append(request)
        return LongPoll(self.script.futures[request.name])

    @serves(Later, Work)
    def _work(self, request: Later | Work) -> Answer:
        self.script.asked.append(request)
        return self._wait_for(request.name)

    @serves(Rows)
    def _rows(self, request: Rows) -> Answer:
        return Large(lambda: self._read_rows(request))

    async def _read_rows(self, request: Rows) -> Fields:
        self.script.asked.append(request)
        return await self._wait_for(request.name)

    @serves(Watch)
    def _watch(self, request: Watch) -> Answer:
        self.script.asked.append(request)
        assert self.script.stream is not None
        return Stream(self.script.stream)

    @serves(Fail)
    def _fail(self, request: Fail) -> Answer:
        self.script.asked.append(request)
        raise self.script.errors[request.how]

    async def _wait_for(self, name: str) -> Fields:
        return await self.script.futures[name]


@define(eq=False)
class Client:
    """A client of a scripted connection."""

    line: Line
    script: Script
    connection: ScriptedConnection


@asynccontextmanager
async def served(
    *, buffer: int | None = None, script: Script | None = None
) -> AsyncIterator[Client]:
    """Connect a client to a scripted connection.

    Args:
        script: The script, if another connection of the participant has it, too.
        buffer: Bytes that the kernel buffers for a client that does not read.
    """
    ours, theirs = socket.socketpair()
    if buffer is not None:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    script = script or Script()
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(lambda: ScriptedConnection(script), sock=ours)
    line = Line(*await asyncio.open_unix_connection(sock=theirs, limit=1 << 22))
    try:
        yield Client(line, script, connection)
    finally:
        connection.abort()
        await script.closed.wait()
        await line.close()
