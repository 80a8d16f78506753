"""One client's connection: lines in, answers out, in order.

An `asyncio.Protocol` rather than streams: no task and no buffer object exists for a client that
waits. It *is* the client's session with the broker: it calls the broker as it decodes a request,
and the broker answers it when the outcome is on disk. uvloop joins what is written to one client in
one turn of the loop.

Order costs nothing as long as only the broker is asked, because that answers in the order in which
it was asked: such an answer is owed and goes out as it comes. Any other answer that has to wait, or
that comes while something is owed, gets a `ResponseSlot`, and from then on every request gets one,
until all slots are empty again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar, Protocol, cast

from attrs import frozen

from hive.broker.service import BrokerService
from hive.broker.sessions import Session
from hive.broker.values import Token, Value
from hive.errors import HiveError, TooLargeError, UnavailableError
from hive.gateway.dispatch import Answer, Fields, Handler, LongPoll, Stream, table_of
from hive.gateway.peer_credentials import has_hung_up, peer_credentials
from hive.gateway.responses import Req, ResponseSlot, failure, line_of
from hive.store import Kind
from hive.wire.agent import Recv
from hive.wire.base import LINE_MAX, Request
from hive.wire.codec import MALFORMED, RequestDecoder, encode_error, encode_ok, request_id
from hive.wire.framing import LineBuffer, TooLong

logger = logging.getLogger(__name__)

WRITE_DEADLINE = 30.0
"""Seconds that a client may leave its answers unread before it is disconnected."""

FAREWELL = 1.0
"""Seconds that a client is given to read its last answers when we disconnect it."""

MAX_OUTSTANDING = 1024
"""Requests that one connection may have under way before no more are read from it."""


@frozen
class Served:
    """What all connections of a gateway share.

    Attributes:
        broker: Who decides about mail.
        running: Holds the tasks of long requests, which outlive their connection: an operator who
            interrupts `hive-c0re restart` has not interrupted the restart.
        loop: Where all of this runs.
    """

    broker: BrokerService
    running: set[asyncio.Task[Fields]]
    loop: asyncio.AbstractEventLoop


class Acceptor(Protocol):
    """A listening socket, as the connections see it that came in through it."""

    def made(self, connection: Connection) -> None:
        """Note that a client is there."""
        ...

    def lost(self, connection: Connection) -> None:
        """Note that a client has gone."""
        ...


class Connection(Session, asyncio.Protocol):
    """Serves one client.

    Args:
        name: Who speaks here.
        kind: What that is.
        path: The socket that it came in through.
        served: What all connections share.

    Attributes:
        decoder: Knows the requests of this socket.
        to_broker: Requests that the broker decides about, and answers by itself.
        handlers: The handler of each request, of this class and its bases.
        acceptor: The socket that it came in through, which keeps account of it; None without one.
    """

    __slots__ = (
        "_has_ended",
        "_held_up",
        "_leaving",
        "_lines",
        "_owed",
        "_path",
        "_served",
        "_slots",
        "_stream",
        "_transport",
        "_waiting",
        "_write_deadline",
        "acceptor",
    )

    decoder: ClassVar[RequestDecoder[Any]]
    to_broker: ClassVar[tuple[type[Request], ...]] = ()
    handlers: ClassVar[Mapping[type[Request], Handler]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.handlers = table_of(cls, Connection.ask_broker)

    def __init__(self, name: str, kind: Kind, path: str, served: Served) -> None:
        super().__init__(name, kind)
        self._path = path
        self._served = served
        self._transport: asyncio.Transport | None = None
        self._lines: LineBuffer | None = None
        self._slots: deque[ResponseSlot] | None = None
        self._owed = 0
        self._waiting = 0
        self._held_up = False
        self._leaving = False
        self._has_ended = False
        self._stream: asyncio.Task[None] | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self.acceptor: Acceptor | None = None

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out who is there and open its session."""
        # uvloop's transports are not subclasses of asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        if self.acceptor is not None:
            self.acceptor.made(self)
        if self._leaving:
            self.abort()
            return
        self.origin = peer_credentials(transport, self._path)
        self._served.broker.open_session(self)
        self.opened()

    def data_received(self, data: bytes) -> None:
        """Answer the requests that these bytes complete."""
        if self._lines is None and data.find(b"\n") == len(data) - 1 <= LINE_MAX:
            if self._stream is None:
                self._take(data)
        else:
            self._take_pieces(data)
        if self._slots or self._owed + self._waiting > MAX_OUTSTANDING:
            self._regulate()

    def eof_received(self) -> bool:
        """The client asks no more; return whether the connection stays, for answers to come.

        Who has only closed its sending end, as a shell's pipe does, still reads. Who has gone
        altogether is let go of at once, and so is who reads a stream.
        """
        assert self._transport is not None
        is_waiting = bool(self._under_way) and self._stream is None
        self._has_ended = is_waiting and not has_hung_up(self._transport)
        return self._has_ended

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything; a request that was never finished with a newline is dropped."""
        if self._write_deadline is not None:
            self._write_deadline.cancel()
        if self._stream is not None:
            self._stream.cancel()
        self._transport = None
        self._served.broker.close_session(self)
        self.closed()
        if self.acceptor is not None:
            self.acceptor.lost(self)

    def pause_writing(self) -> None:
        """The client reads too slowly: take no more requests, and do not wait for ever."""
        self._write_deadline = self._served.loop.call_later(WRITE_DEADLINE, self.abort)
        self._regulate()

    def resume_writing(self) -> None:
        """The client has read its answers."""
        if self._write_deadline is not None and not self._leaving:
            self._write_deadline.cancel()
            self._write_deadline = None
        self._regulate()

    def opened(self) -> None:
        """The client is there."""

    def closed(self) -> None:
        """The client has gone: let go of everything that it held."""

    # Ends

    def abort(self) -> None:
        """Disconnect at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Disconnect, once what was written is read; a client that does not read is cut off."""
        self._leaving = True
        if self._transport is None:
            return
        if self._write_deadline is not None:
            self._write_deadline.cancel()
        self._write_deadline = self._served.loop.call_later(FAREWELL, self.abort)
        self._transport.close()

    def _write(self, line: bytes) -> bool:
        """Write a line; return False if the connection has ended, or is about to."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        transport.write(line)
        return True

    # Requests

    def _take_pieces(self, data: bytes) -> None:
        """Take what is not just one line; what is unfinished is kept."""
        if self._lines is None:
            self._lines = LineBuffer()
        for line in self._lines.feed(data):
            if self._stream is not None:
                break
            if isinstance(line, TooLong):
                self._say(encode_error(_too_long(line.limit)))
            else:
                self._take(line)
        if self._lines.is_empty:
            self._lines = None

    def _take(self, line: bytes) -> None:
        decoder = self.decoder
        try:
            request = decoder.decode_quickly(line)
        except MALFORMED as error:
            self._say(encode_error(decoder.explain(line, error), request_id(line)))
            return
        try:
            answer = self.handlers[type(request)](self, request)
        except Exception as error:
            self._say(failure(error, request.req, request.verb))
            return
        if answer is not None:
            self._answer_with(request, answer)

    def ask_broker(self, request: Request) -> None:
        """Ask the broker. It answers in order, but for a `recv` that may wait."""
        if type(request) is Recv and request.wait_seconds:
            self._waiting += 1
            token: Token = request.req
            ordered = False
        elif self._slots:
            token, ordered = self._open_slot(request.req), True
        else:
            self._owed += 1
            token, ordered = request.req, True
        try:
            self._served.broker.handle(self, request, token)
        except HiveError as error:
            if ordered and type(token) is not ResponseSlot:
                self._owed -= 1  # it may be the only answer that is not owed
                self._say(line_of(error, request.req, request.verb))
            else:
                self.answer(token, error, ordered)

    def answer(self, token: Token, value: Value, ordered: bool = True) -> bool:
        """Put the answer of the broker into its place; see `Session.answer`."""
        if self._transport is None:
            return False
        is_written = True
        if type(token) is ResponseSlot:
            token.line = line_of(value, token.req, "request")
        else:
            is_written = self._write(line_of(value, token, "request"))
            if ordered:
                self._owed -= 1
            else:
                self._waiting -= 1
        if self._slots or self._held_up or self._has_ended:
            self._answered()
        return is_written

    def waits(self, token: Token) -> bool:
        """Return whether an answer would be written; not so once the connection ends."""
        transport = self._transport
        return transport is not None and not transport.is_closing()

    # Answers

    def _answer_with(self, request: Request, answer: Answer) -> None:
        """Answer with what a handler has returned."""
        self.alive_at = self._served.loop.time()
        if isinstance(answer, Stream):
            self._begin_stream(request, answer)
        elif isinstance(answer, LongPoll):
            self._waiting += 1
            answer.future.add_done_callback(lambda done: self._poll_ended(request, done))
        elif asyncio.iscoroutine(answer):
            self._run(request, answer)
        else:
            self._say(line_of(answer, request.req, request.verb))

    def _run(self, request: Request, answer: Coroutine[Any, Any, Fields]) -> None:
        slot = self._open_slot(request.req)

        def ended(done: asyncio.Task[Fields]) -> None:
            self._served.running.discard(done)
            slot.line = line_of(_outcome(done), request.req, request.verb)
            self._answered()

        task = self._served.loop.create_task(answer)
        self._served.running.add(task)
        task.add_done_callback(ended)

    def _poll_ended(self, request: Request, done: asyncio.Future[Fields]) -> None:
        self._waiting -= 1
        self._write(line_of(_outcome(done), request.req, request.verb))
        self._answered()

    def _answered(self) -> None:
        """Go on after an answer."""
        if self._slots:
            self._take_out()
        if self._held_up:
            self._regulate()
        if self._has_ended and not self._under_way:
            self.close()

    def _say(self, line: bytes) -> None:
        """Answer at once, which is still after those who asked before."""
        if self._owed or self._slots:
            self._open_slot(None).line = line
        else:
            self._write(line)

    def _open_slot(self, req: Req) -> ResponseSlot:
        if self._slots is None:
            self._slots = deque()
        slot = ResponseSlot(req)
        self._slots.append(slot)
        return slot

    def _take_out(self) -> None:
        """Take the answers whose turn it is out of their slots."""
        slots = self._slots
        while slots and not self._owed and slots[0].line is not None:
            self._write(slots[0].line)
            slots.popleft()

    @property
    def _under_way(self) -> int:
        """Answers that are yet to come, or wait for their turn."""
        return self._owed + self._waiting + (len(self._slots) if self._slots else 0)

    def _regulate(self) -> None:
        """Read on only while the client reads too and not too much is under way."""
        if self._transport is None or self._transport.is_closing():
            return
        held_up = self._write_deadline is not None or self._under_way > MAX_OUTSTANDING
        if held_up and not self._held_up:
            self._transport.pause_reading()
        elif self._held_up and not held_up:
            self._transport.resume_reading()
        self._held_up = held_up

    # Streams

    def _begin_stream(self, request: Request, stream: Stream) -> None:
        self._say(encode_ok(request.req))
        run = stream.run(lambda fields: self._push(request.req, fields))
        self._stream = self._served.loop.create_task(run)
        self._stream.add_done_callback(lambda done: self._stream_ended(request.req, done))

    def _stream_ended(self, req: Req, done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, HiveError):
            self._say(encode_error(error, req))
        elif error is not None:
            logger.error("a stream to a client broke off", exc_info=error)
        self.close()

    def _push(self, req: Req, fields: Fields) -> None:
        self._say(encode_ok(req, **fields))


def _outcome(done: asyncio.Future[Fields]) -> Fields | BaseException:
    if done.cancelled():
        return UnavailableError("hive-c0re is shutting down")
    return done.exception() or done.result()


def _too_long(limit: int) -> TooLargeError:
    return TooLargeError(f"a line may have {limit} bytes; this one was longer and was skipped")
