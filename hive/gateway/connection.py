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
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar, Protocol, cast

from hive.broker.values import Token, Value
from hive.errors import HiveError
from hive.gateway.answer_turns import AnswerTurns
from hive.gateway.budget import LARGE_REQUEST, UNCOUNTED
from hive.gateway.client_process import has_hung_up, peer_credentials
from hive.gateway.dispatch import (
    Answer,
    Fields,
    Handler,
    Large,
    LongPoll,
    Stream,
    handler_table,
    in_shortage,
)
from hive.gateway.late_answers import (
    ResponseSlot,
    error_line,
    outcome,
    response_line,
)
from hive.gateway.metering import CONNECTION_COST
from hive.gateway.reading import WRITE_DEADLINE, GatewayContext, LineReader
from hive.gateway.stopping import while_stopping
from hive.gateway.stream_task import StreamTask
from hive.store import Kind
from hive.wire.agent import Recv
from hive.wire.base import Req, Request
from hive.wire.codec import (
    MALFORMED,
    RequestDecoder,
    encode_error,
    encode_ok,
    repeated_key,
    request_id,
)

CLOSE_TIMEOUT = 1.0
"""Seconds for which a client may read its last answers when the daemon disconnects it."""


PROVEN_AFTER = 8
"""Requests of a connection that are examined for keys that stand twice."""


class Acceptor(Protocol):
    """A listening socket as its connections see it."""

    def connected(self, connection: Connection) -> None:
        """Add a connection that was made."""
        ...

    def disconnected(self, connection: Connection) -> None:
        """Remove a connection that was lost."""
        ...


class Connection(LineReader):
    """Serves one client.

    Args:
        name: The name of the socket's participant.
        kind: The kind of that participant.
        path: The path of the socket.
        context: The objects that all connections share.

    Attributes:
        decoder: Decodes the requests of this socket.
        to_broker: Types of requests that the broker answers itself.
        is_metered: Whether requests cost tokens of the participant; not so for the operator.
        handlers: The handler of each type of request, from this class and its bases.
        handlers_in_shortage: Likewise, while the disk has less than its reserve left.
        handlers_while_stopping: Likewise, while the daemon stops.
        acceptor: The listening socket; None without one.
    """

    __slots__ = (
        "_handlers",
        "_is_closing",
        "_path",
        "_received_eof",
        "_unproven",
        "acceptor",
    )

    decoder: ClassVar[RequestDecoder[Any]]
    to_broker: ClassVar[tuple[type[Request], ...]] = ()
    is_metered: ClassVar[bool] = True
    handlers: ClassVar[Mapping[type[Request], Handler]] = {}
    handlers_in_shortage: ClassVar[Mapping[type[Request], Handler]] = {}
    handlers_while_stopping: ClassVar[Mapping[type[Request], Handler]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.handlers = handler_table(cls, Connection.ask_broker, is_metered=cls.is_metered)
        cls.handlers_in_shortage = in_shortage(cls.handlers) if cls.is_metered else cls.handlers
        cls.handlers_while_stopping = while_stopping(cls.handlers)

    def __init__(self, name: str, kind: Kind, path: str, context: GatewayContext) -> None:
        super().__init__(name, kind, context)
        self._path = path
        self._is_closing = False
        self._received_eof = False
        self._unproven = PROVEN_AFTER
        self.acceptor: Acceptor | None = None
        self.choose_handlers()

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
        if is_limited:
            try:
                self.pay(CONNECTION_COST)
            except HiveError as error:
                self.refuse(error)
                return
        self.origin = peer_credentials(transport, self._path)
        self._context.broker.open_session(self)
        self.opened()
        if self._budget.is_full:
            # uvloop begins to read after this method, whatever was called on the transport in it.
            self._context.loop.call_soon(self.update_reading)

    def data_received(self, data: bytes) -> None:
        """Serve the requests that these bytes complete."""
        size, budget = len(data), self._budget
        assert budget is not None
        self._line_bytes = size
        if (
            self._backlog is None
            and data.find(b"\n") == size - 1 < LARGE_REQUEST
            and budget.turns.left > 0
        ):
            if self._stream is None:
                self.handle_line(data)
        else:
            self.add_to_backlog(data)
        if self._held or self._slots or self._ordered + self._unordered > UNCOUNTED:
            self.update_reading()

    def eof_received(self) -> bool:
        """Return whether the connection stays open for pending answers.

        A client that has only closed its sending end, as a shell's pipe does, still reads them. One
        that has hung up is disconnected at once, and so is the reader of a stream.
        """
        assert self._transport is not None
        is_waiting = bool(self.under_way or self.has_backlog) and self._stream is None
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
        self.charge_returns()
        self.release()
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
        if self._stream is not None:
            self._stream.resume()

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

    def _write(self, line: bytes) -> bool:
        """Write a line; return False if the connection has ended, or is about to."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        transport.write(line)
        return True

    # Requests

    def choose_handlers(self) -> None:
        """Serve all verbs, or those that the state of the daemon allows."""
        budgets = self._context.budgets
        if budgets.stop_refusal is not None:
            self._handlers = self.handlers_while_stopping
        else:
            is_short = budgets.shortage is not None
            self._handlers = self.handlers_in_shortage if is_short else self.handlers

    def stop_refusal(self) -> HiveError:
        """Return the error of a verb that is refused while the daemon stops."""
        refusal = self._context.budgets.stop_refusal
        assert refusal is not None
        return refusal()

    def shortage_refusal(self) -> HiveError:
        """Return the error of a verb that a shortage of disk space does not allow."""
        shortage = self._context.budgets.shortage
        assert shortage is not None
        return shortage.refusal()

    def handle_line(self, line: bytes) -> None:
        """Decode a request and call its handler; answer at once, or later."""
        try:
            request = self.decoder.decode_quickly(line)
        except MALFORMED as error:
            self._refuse_malformed(line, error)
            return
        if self._unproven and self._has_repeated_key(line):
            return
        try:
            answer = self._handlers[type(request)](self, request)
        except Exception as error:
            self.spend_on_refusal(error)
            self.respond(error_line(error, request.req, request.verb))
            return
        if answer is not None:
            self._answer_with(request, answer)

    def _has_repeated_key(self, line: bytes) -> bool:
        """Refuse a line with a key twice; return whether it has one.

        To see it costs more than all else about a message, so only the first lines are examined: a
        client that writes keys twice is found out at once.
        """
        self._unproven -= 1
        error = repeated_key(line)
        if error is None:
            return False
        self._unproven = PROVEN_AFTER
        self._pay_and_refuse(line, lambda: error)
        return True

    def _refuse_malformed(self, line: bytes, error: Exception) -> None:
        """Answer a line that is no request."""
        self._pay_and_refuse(line, lambda: self.decoder.explain(line, error))

    def _pay_and_refuse(self, line: bytes, explain: Callable[[], HiveError]) -> None:
        """Answer a line that no handler gets; it costs as much as one that is handled."""
        # No exception may stay in a variable: it would hold the line until the next collection.
        try:
            if self.is_metered:
                self.pay(1)
        except HiveError as refusal:
            self._refuse_line(line, refusal)
        else:
            self._refuse_line(line, explain())

    def _refuse_line(self, line: bytes, error: HiveError) -> None:
        self.spend_on_refusal(error)
        self.respond(encode_error(error, request_id(line)))

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
            self.spend_on_refusal(error)
            if ordered and type(token) is not ResponseSlot:
                self._ordered -= 1  # the broker will not answer this one
                self.respond(response_line(error, request.req, request.verb))
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
            self.after_answer()
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
            self.respond(encode_ok(request.req))
            self._stream = StreamTask(self, request.req, answer, self._context.loop)
        elif isinstance(answer, LongPoll):
            self._unordered += 1
            answer.future.add_done_callback(lambda done: self._poll_ended(request, done))
        elif isinstance(answer, Large):
            assert self._budget is not None
            slot, turns, make = self._open_slot(request.req), self._budget.answers, answer.make
            turns.add(self, lambda: self._run(request, make(), slot, turns))
        elif asyncio.iscoroutine(answer):
            self._run(request, answer, self._open_slot(request.req))
        else:
            self.respond(response_line(answer, request.req, request.verb))

    def _run(
        self,
        request: Request,
        answer: Coroutine[Any, Any, Fields],
        slot: ResponseSlot,
        turns: AnswerTurns | None = None,
    ) -> None:
        """Run the task of an answer; a connection that ends meanwhile stays charged for it."""

        def ended(done: asyncio.Task[Fields]) -> None:
            self._context.running.discard(done)
            value = outcome(done)
            if isinstance(value, BaseException):
                self.count_refusal(value)
            line = response_line(value, request.req, request.verb)  # logs a bug, too
            if self._transport is not None:
                self._fill(slot, line)
                self.after_answer()
            else:
                self.release_late(slot)
            if turns is not None:
                turns.end()

        slot.is_begun = True
        task = self._context.loop.create_task(answer)
        self._context.running.add(task)
        task.add_done_callback(ended)

    def _poll_ended(self, request: Request, done: asyncio.Future[Fields]) -> None:
        self._unordered -= 1
        self._write(response_line(outcome(done), request.req, request.verb))
        self.after_answer()

    def after_answer(self) -> None:
        """Write the answers that waited for this one, and update the state of the connection."""
        if self._slots:
            self._flush_slots()
        if self._stream is not None:
            self._stream.resume()
        if self._reading_paused or self._held or self._slots:
            self.update_reading()
        if self._received_eof and not self.under_way and not self.has_backlog:
            self.close()

    def respond(self, line: bytes) -> None:
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

    # The stream of this connection

    def stream_ended(self) -> None:
        """Disconnect once all requests before the stream are answered."""
        self._received_eof = True  # as after the last request of a client
        self.after_answer()

    @property
    def takes_more(self) -> bool:
        """Whether its answers are written and its client reads them."""
        return not self._slots and self._write_deadline is None
