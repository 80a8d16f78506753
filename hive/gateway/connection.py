"""The connection of one client: lines in, answers out, in order.

It is an `asyncio.Protocol`, so that no task and no stream buffer exists for a client that waits. It
is also the client's session with the broker: it calls the broker as it decodes a request, and the
broker answers it when the outcome is on disk. uvloop joins what is written to one client in one
turn of the loop.

The broker answers in the order of requests, so its answers are counted and written as they come.
Any other answer that comes later, or while an answer of the broker is pending, gets a
`ResponseSlot`; from then on every request gets one, until all slots are empty again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, ClassVar, Protocol, cast

from attrs import frozen

from hive.broker.service import BrokerService
from hive.broker.sessions import Session
from hive.broker.values import Token, Value
from hive.errors import HiveError
from hive.gateway.budget import (
    CONNECTION_BYTES,
    LARGE_REQUEST,
    MAX_OUTSTANDING,
    REQUEST_BYTES,
    UNCOUNTED,
    AnswerTurn,
    Backlog,
    Budget,
    Budgets,
)
from hive.gateway.client_process import has_hung_up, peer_credentials
from hive.gateway.dispatch import (
    Answer,
    Fields,
    Handler,
    Large,
    LongPoll,
    Stream,
    handler_table,
)
from hive.gateway.late_answers import (
    ResponseSlot,
    error_line,
    outcome,
    response_line,
    too_long,
)
from hive.store import Kind
from hive.wire.agent import Recv
from hive.wire.base import LINE_MAX, Req, Request
from hive.wire.codec import (
    MALFORMED,
    RequestDecoder,
    encode_error,
    encode_ok,
    request_id,
)
from hive.wire.framing import LineBuffer, TooLong

logger = logging.getLogger(__name__)

WRITE_DEADLINE = 30.0
"""Seconds for which a client may leave its answers unread before it is disconnected."""

CLOSE_TIMEOUT = 1.0
"""Seconds for which a client may read its last answers when the daemon disconnects it."""


@frozen
class GatewayContext:
    """The objects that all connections of a gateway share.

    Attributes:
        broker: The broker service.
        running: Tasks of long requests. They outlive their connection: to interrupt the command
            `hive-c0re restart` does not interrupt the restart.
        loop: The event loop.
        budgets: The bytes that the connections of each participant hold.
    """

    broker: BrokerService
    running: set[asyncio.Task[Fields]]
    loop: asyncio.AbstractEventLoop
    budgets: Budgets


class Acceptor(Protocol):
    """A listening socket as its connections see it."""

    def connected(self, connection: Connection) -> None:
        """Add a connection that was made."""
        ...

    def disconnected(self, connection: Connection) -> None:
        """Remove a connection that was lost."""
        ...


class Connection(Session, asyncio.Protocol):
    """Serves one client.

    Args:
        name: The name of the socket's participant.
        kind: The kind of that participant.
        path: The path of the socket.
        context: The objects that all connections share.

    Attributes:
        decoder: Decodes the requests of this socket.
        to_broker: Types of requests that the broker answers itself.
        handlers: The handler of each type of request, from this class and its bases.
        acceptor: The listening socket; None without one.
    """

    __slots__ = (
        "_backlog",
        "_budget",
        "_context",
        "_held",
        "_is_closing",
        "_line_bytes",
        "_line_deadline",
        "_lines",
        "_ordered",
        "_path",
        "_reading_paused",
        "_ready_bytes",
        "_received_eof",
        "_request_bytes",
        "_slots",
        "_stream",
        "_transport",
        "_unordered",
        "_unread",
        "_write_deadline",
        "acceptor",
    )

    decoder: ClassVar[RequestDecoder[Any]]
    to_broker: ClassVar[tuple[type[Request], ...]] = ()
    handlers: ClassVar[Mapping[type[Request], Handler]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.handlers = handler_table(cls, Connection.ask_broker)

    def __init__(self, name: str, kind: Kind, path: str, context: GatewayContext) -> None:
        super().__init__(name, kind)
        self._path = path
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._lines: LineBuffer | None = None
        self._backlog: Backlog | None = None
        self._line_bytes = 0  # of the request that is handled
        self._line_deadline: asyncio.TimerHandle | None = None
        self._budget: Budget | None = None
        # Bytes that the budget was charged for this connection, and those of answers in them.
        self._held = self._unread = 0
        # Bytes of large requests that are not answered, and of answers that wait for others.
        self._request_bytes = self._ready_bytes = 0
        self._slots: deque[ResponseSlot] | None = None
        # Pending answers without a slot: those in the order of requests, and the others.
        self._ordered = 0
        self._unordered = 0
        self._reading_paused = False
        self._is_closing = False
        self._received_eof = False
        self._stream: asyncio.Task[None] | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self.acceptor: Acceptor | None = None

    # Callbacks of the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read the peer credentials and open the session."""
        # uvloop's transports are not subclasses of asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        if self.acceptor is not None:
            self.acceptor.connected(self)
        if self._is_closing:
            return
        is_limited = self.kind is not Kind.OPERATOR
        self._budget = self._context.budgets.join(self.name, self, is_limited=is_limited)
        self.origin = peer_credentials(transport, self._path)
        self._context.broker.open_session(self)
        self.opened()
        if self._budget.is_full:
            self.update_reading()

    def data_received(self, data: bytes) -> None:
        """Serve the requests that these bytes complete."""
        size = self._line_bytes = len(data)
        if (
            self._lines is None
            and data.find(b"\n") == size - 1 <= LINE_MAX
            and self._backlog is None
        ):
            if self._stream is None:
                self._handle_line(data)
        else:
            self._handle_chunk(data)
        if (
            self._held
            or self._slots
            or self._lines is not None
            or self._ordered + self._unordered > UNCOUNTED
        ):
            self.update_reading()

    def eof_received(self) -> bool:
        """Return whether the connection stays open for pending answers.

        A client that has only closed its sending end, as a shell's pipe does, still reads them. One
        that has hung up is disconnected at once, and so is the reader of a stream.
        """
        assert self._transport is not None
        is_waiting = bool(self._under_way or self._backlog) and self._stream is None
        self._received_eof = is_waiting and not has_hung_up(self._transport)
        return self._received_eof

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the session; a request without its newline is dropped."""
        for deadline in (self._write_deadline, self._line_deadline):
            if deadline is not None:
                deadline.cancel()
        if self._stream is not None:
            self._stream.cancel()
        self._transport = None
        self._release()
        self._context.broker.close_session(self)
        self.closed()
        if self.acceptor is not None:
            self.acceptor.disconnected(self)

    def pause_writing(self) -> None:
        """Stop reading, because the client reads too slowly, and set its deadline."""
        self._write_deadline = self._context.loop.call_later(WRITE_DEADLINE, self.abort)
        self.update_reading()

    def resume_writing(self) -> None:
        """Read again, because the client has read its answers."""
        if self._write_deadline is not None and not self._is_closing:
            self._write_deadline.cancel()
            self._write_deadline = None
        self.update_reading()

    @property
    def descriptor(self) -> int:
        """The file descriptor of the socket; -1 once it is closed."""
        transport = self._transport
        sock = None if transport is None else transport.get_extra_info("socket")
        return -1 if sock is None else int(sock.fileno())

    def opened(self) -> None:
        """Called when the session is open."""

    def closed(self) -> None:
        """Called when the connection has ended, after the session was closed."""

    # Ends

    def abort(self) -> None:
        """Disconnect at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Disconnect once the client has read what was written, or after `CLOSE_TIMEOUT`."""
        self._is_closing = True
        if self._transport is None:
            return
        if self._write_deadline is not None:
            self._write_deadline.cancel()
        self._write_deadline = self._context.loop.call_later(CLOSE_TIMEOUT, self.abort)
        self._transport.close()

    def refuse(self, error: HiveError) -> None:
        """Disconnect a client that was just accepted, with the reason as a line."""
        self._write(encode_error(error))
        self.close()

    def _release(self) -> None:
        """Drop what this connection holds, and leave the budget."""
        self._lines = self._backlog = self._slots = None
        held, self._held = self._held, 0
        if self._budget is not None:
            self._context.budgets.leave(self._budget, self)
            self._budget.charge(-held, -self._unread)

    def _write(self, line: bytes) -> bool:
        """Write a line; return False if the connection has ended, or is about to."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        transport.write(line)
        return True

    # Requests

    def _handle_chunk(self, data: bytes) -> None:
        """Handle data that is not exactly one line; an incomplete line is buffered."""
        if self._lines is None:
            self._lines = LineBuffer()
        is_large = not self._lines.is_empty or len(data) > LARGE_REQUEST
        lines = self._lines.feed(data)
        if self._lines.is_empty:
            self._lines = None
        if self._backlog is not None:
            self._backlog.extend(lines)
        else:
            self._handle_lines(lines, is_large=is_large)

    def _handle_lines(self, lines: Iterable[bytes | TooLong], *, is_large: bool) -> None:
        """Handle lines until too much is held; the rest becomes the backlog.

        Args:
            lines: The lines.
            is_large: Whether one of them may have more than `LARGE_REQUEST` bytes.
        """
        rest = iter(lines)
        for line in rest:
            if self._stream is not None:
                return
            if isinstance(line, TooLong):
                self._respond(encode_error(too_long(line.limit)))
            else:
                if is_large:
                    self._line_bytes = len(line)
                self._handle_line(line)
            if (
                self._slots
                or self._write_deadline is not None
                or self._ordered + self._unordered > MAX_OUTSTANDING
            ) and self.update_reading():
                backlog = Backlog()
                backlog.extend(rest)
                self._backlog = backlog if backlog.lines else None
                return

    def _handle_backlog(self) -> None:
        """Handle the lines that were read but not handled, and read again after the last."""
        budget = self._budget
        if self._transport is None or budget is None or self._backlog is None:
            return
        if not self._holds_too_much(budget):
            lines, self._backlog = self._backlog.lines, None
            self._handle_lines(lines, is_large=True)
            self._after_answer()

    def _handle_line(self, line: bytes) -> None:
        decoder = self.decoder
        try:
            request = decoder.decode_quickly(line)
        except MALFORMED as error:
            self._respond(encode_error(decoder.explain(line, error), request_id(line)))
            return
        try:
            answer = self.handlers[type(request)](self, request)
        except Exception as error:
            self._respond(error_line(error, request.req, request.verb))
            return
        if answer is not None:
            self._answer_with(request, answer)

    def ask_broker(self, request: Request) -> None:
        """Pass a request to the broker, which answers in order except to a `recv` that may wait."""
        if type(request) is Recv and request.wait_seconds:
            self._unordered += 1
            token: Token = request.req
            ordered = False
        elif self._slots or self._line_bytes > LARGE_REQUEST:
            token, ordered = self._open_slot(request.req), True
        else:
            self._ordered += 1
            token, ordered = request.req, True
        try:
            self._context.broker.handle(self, request, token)
        except HiveError as error:
            if ordered and type(token) is not ResponseSlot:
                self._ordered -= 1  # the broker will not answer this one
                self._respond(response_line(error, request.req, request.verb))
            else:
                self.answer(token, error, ordered)

    def answer(self, token: Token, value: Value, ordered: bool = True) -> bool:
        """Write an answer of the broker, or put it into its slot; see `Session.answer`."""
        if self._transport is None:
            return False
        is_written = True
        if type(token) is ResponseSlot:
            self._fill(token, response_line(value, token.req, "request"))
        else:
            is_written = self._write(response_line(value, token, "request"))
            if ordered:
                self._ordered -= 1
            else:
                self._unordered -= 1
        if (
            self._slots
            or self._reading_paused
            or self._received_eof
            or (self._held and self._ordered + self._unordered <= UNCOUNTED)
        ):
            self._after_answer()
        return is_written

    def waits(self, token: Token) -> bool:
        """Return whether an answer would be written: not once the connection ends."""
        transport = self._transport
        return transport is not None and not transport.is_closing()

    # Answers

    def _answer_with(self, request: Request, answer: Answer) -> None:
        """Respond with the answer that a handler has returned."""
        self.alive_at = self._context.loop.time()
        if isinstance(answer, Stream):
            self._begin_stream(request, answer)
        elif isinstance(answer, LongPoll):
            self._unordered += 1
            answer.future.add_done_callback(lambda done: self._poll_ended(request, done))
        elif isinstance(answer, Large):
            assert self._budget is not None
            slot, turn = self._open_slot(request.req), self._budget.take_turn()
            self._run(request, self._make(answer, turn), slot, turn)
        elif asyncio.iscoroutine(answer):
            self._run(request, answer, self._open_slot(request.req))
        else:
            self._respond(response_line(answer, request.req, request.verb))

    def _run(
        self,
        request: Request,
        answer: Coroutine[Any, Any, Fields],
        slot: ResponseSlot,
        turn: AnswerTurn | None = None,
    ) -> None:
        def ended(done: asyncio.Task[Fields]) -> None:
            self._context.running.discard(done)
            if self._transport is not None:
                self._fill(slot, response_line(outcome(done), request.req, request.verb))
            self._after_answer()
            if turn is not None:
                turn.end.set_result(None)

        task = self._context.loop.create_task(answer)
        self._context.running.add(task)
        task.add_done_callback(ended)

    async def _make(self, answer: Large, turn: AnswerTurn) -> Fields:
        """Make a large answer when it is its turn, unless the client has gone."""
        await turn.begin()
        return await answer.make() if self._transport is not None else {}

    def _poll_ended(self, request: Request, done: asyncio.Future[Fields]) -> None:
        self._unordered -= 1
        self._write(response_line(outcome(done), request.req, request.verb))
        self._after_answer()

    def _after_answer(self) -> None:
        """Write the answers that waited for this one, and update the state of the connection."""
        if self._slots:
            self._flush_slots()
        if self._reading_paused or self._held or self._slots:
            self.update_reading()
        if self._received_eof and not self._under_way and self._backlog is None:
            self.close()

    def _respond(self, line: bytes) -> None:
        """Write a response in its place in the order of requests."""
        if self._ordered or self._slots:
            self._line_bytes = 0
            self._fill(self._open_slot(None), line)
        else:
            self._write(line)

    def _open_slot(self, req: Req) -> ResponseSlot:
        if self._slots is None:
            self._slots = deque()
        size = self._line_bytes
        slot = ResponseSlot(req, size if size > LARGE_REQUEST else 0)
        self._request_bytes += slot.size
        self._slots.append(slot)
        return slot

    def _fill(self, slot: ResponseSlot, line: bytes) -> None:
        """Set the line of a late answer."""
        slot.line = line
        self._ready_bytes += len(line)

    def _flush_slots(self) -> None:
        """Write the answers at the head of the slots."""
        slots = self._slots
        while slots and not self._ordered and slots[0].line is not None:
            slot = slots.popleft()
            line, slot.line = slot.line, b""
            assert line is not None
            self._request_bytes -= slot.size
            self._ready_bytes -= len(line)
            self._write(line)

    @property
    def _under_way(self) -> int:
        """Number of answers that are not written yet."""
        return self._ordered + self._unordered + (len(self._slots) if self._slots else 0)

    def update_reading(self) -> bool:
        """Charge what is held now, and return whether reading is paused.

        It is while the client does not read, too many requests are unanswered, or this connection
        or its participant holds too much.
        """
        transport, budget = self._transport, self._budget
        if transport is None or budget is None or transport.is_closing():
            return True
        unread = self._ready_bytes
        if self._write_deadline is not None:
            unread += transport.get_write_buffer_size()
        held = unread + self._requests_held()
        if held != self._held or unread != self._unread:
            changes = held - self._held, unread - self._unread
            self._held, self._unread = held, unread
            budget.charge(*changes)
        paused = self._holds_too_much(budget)
        if paused and not self._reading_paused:
            transport.pause_reading()
        elif self._reading_paused and not paused:
            if self._backlog is not None:
                self._context.loop.call_soon(self._handle_backlog)
                paused = True
            else:
                transport.resume_reading()
        self._reading_paused = paused
        self._limit_unfinished_line(budget)
        return paused

    def _holds_too_much(self, budget: Budget) -> bool:
        return (
            budget.is_full
            or self._write_deadline is not None
            or self._under_way > MAX_OUTSTANDING
            or self._held > CONNECTION_BYTES
        )

    def _requests_held(self) -> int:
        """Return the bytes of requests that this connection makes the daemon hold."""
        held = self._request_bytes
        if self._backlog is not None:
            held += self._backlog.held
        if self._lines is not None:
            held += self._lines.pending
        return held + REQUEST_BYTES * max(0, self._under_way - UNCOUNTED)

    def _limit_unfinished_line(self, budget: Budget) -> None:
        """Set or cancel the deadline of a line that cannot be finished, because nothing is read."""
        is_stuck = budget.is_full and self._lines is not None
        if is_stuck and self._line_deadline is None:
            self._line_deadline = self._context.loop.call_later(WRITE_DEADLINE, self._drop_line)
        elif not is_stuck and self._line_deadline is not None:
            self._line_deadline.cancel()
            self._line_deadline = None

    def _drop_line(self) -> None:
        assert self._budget is not None
        self._respond(encode_error(self._budget.error()))
        self.close()

    # Streams

    def _begin_stream(self, request: Request, stream: Stream) -> None:
        self._respond(encode_ok(request.req))
        run = stream.run(lambda fields: self._push(request.req, fields))
        self._stream = self._context.loop.create_task(run)
        self._stream.add_done_callback(lambda done: self._stream_ended(request.req, done))

    def _stream_ended(self, req: Req, done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, HiveError):
            self._respond(encode_error(error, req))
        elif error is not None:
            logger.error("a stream to a client failed", exc_info=error)
        self.close()

    def _push(self, req: Req, fields: Fields) -> None:
        self._respond(encode_ok(req, **fields))
