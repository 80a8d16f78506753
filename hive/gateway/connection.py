"""One client's connection: lines in, answers out, in order.

An `asyncio.Protocol` rather than streams: no task and no buffer object exists for a client that
waits. Answers of one turn of the loop leave in one write.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from attrs import define

from actors import ActorDied, AskTimeout, MailboxFull
from hive.errors import (
    BadRequestError,
    FailedError,
    HiveError,
    TimedOutError,
    TooLargeError,
    UnavailableError,
)
from hive.gateway.answers import Answer, Fields, OutOfOrder, Stream, Verbs
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder, encode_error, encode_ok, request_id
from hive.wire.framing import LineBuffer, TooLong

logger = logging.getLogger(__name__)

WRITE_DEADLINE = 30.0
"""Seconds that a client may leave its answers unread before it is disconnected."""

FAREWELL = 1.0
"""Seconds that a client is given to read its last answers when we disconnect it."""

MAX_OUTSTANDING = 1024
"""Requests that one connection may have under way before no more are read from it."""

R = TypeVar("R", bound=Request)

VerbsFactory = Callable[[asyncio.BaseTransport], Verbs[R]]
"""Makes the verbs of a new connection; may ask the kernel who is there."""


@define(eq=False)
class _Slot:
    """The place of one answer; an unordered one leaves as soon as it is there."""

    req: str | int | None
    ordered: bool = True
    line: bytes | None = None


class Connection(asyncio.Protocol, Generic[R]):
    """Serves one client.

    Args:
        decoder: Knows the requests of this socket.
        make_verbs: Called when the client is there.
        running: Holds the tasks of long requests, which outlive their connection: an operator who
            interrupts `hive-c0re restart` has not interrupted the restart.
    """

    def __init__(
        self,
        decoder: RequestDecoder[R],
        make_verbs: VerbsFactory[R],
        running: set[asyncio.Task[Fields]],
    ) -> None:
        self._decoder = decoder
        self._make_verbs = make_verbs
        self._running = running
        self._loop = asyncio.get_running_loop()
        self._lines = LineBuffer()
        self._slots: deque[_Slot] = deque()
        self._out: list[bytes] = []
        self._parked = 0
        self._flushing = False
        self._leaving = False
        self._stream: asyncio.Task[None] | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._verbs: Verbs[R] | None = None
        self.on_made: Callable[[Connection[R]], object] | None = None
        self.on_lost: Callable[[Connection[R]], object] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out who is there and open their verbs."""
        # uvloop's transports are not subclasses of asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        if self.on_made is not None:
            self.on_made(self)
        if self._leaving:
            self.abort()
            return
        self._verbs = self._make_verbs(transport)

    def data_received(self, data: bytes) -> None:
        """Answer the requests that these bytes complete."""
        for line in self._lines.feed(data):
            if self._stream is not None:
                break
            self._take(line)
        self._flush()
        self._regulate()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything; a request that was never finished with a newline is dropped."""
        if self._write_deadline is not None:
            self._write_deadline.cancel()
        if self._stream is not None:
            self._stream.cancel()
        self._transport = None
        if self._verbs is not None:
            self._verbs.close()
        if self.on_lost is not None:
            self.on_lost(self)

    def pause_writing(self) -> None:
        """The client reads too slowly: take no more requests, and do not wait for ever."""
        self._write_deadline = self._loop.call_later(WRITE_DEADLINE, self.abort)
        self._regulate()

    def resume_writing(self) -> None:
        """The client has read its answers."""
        if self._write_deadline is not None and not self._leaving:
            self._write_deadline.cancel()
            self._write_deadline = None
        self._regulate()

    def abort(self) -> None:
        """Disconnect at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Write what is ready, then disconnect; a client that does not read it is cut off."""
        self._flush()
        self._leaving = True
        if self._transport is None:
            return
        if self._write_deadline is not None:
            self._write_deadline.cancel()
        self._write_deadline = self._loop.call_later(FAREWELL, self.abort)
        self._transport.close()

    def _take(self, line: bytes | TooLong) -> None:
        if isinstance(line, TooLong):
            too_long = TooLargeError(
                f"a line may have {line.limit} bytes; this one was longer and was skipped"
            )
            self._refuse(None, too_long)
            return
        try:
            request = self._decoder.decode(line)
        except BadRequestError as error:
            self._refuse(request_id(line), error)
            return
        self._answer(request)

    def _refuse(self, req: str | int | None, error: HiveError) -> None:
        self._say(_Slot(req), encode_error(error, req))

    def _say(self, slot: _Slot, line: bytes) -> None:
        """Answer at once, which is still after those who asked before."""
        self._slots.append(slot)
        self._fill(slot, line)

    def _answer(self, request: R) -> None:
        assert self._verbs is not None
        slot = _Slot(request.req)
        try:
            answer = self._verbs.handle(request)
        except Exception as error:
            self._say(slot, encode_error(present(error, request), slot.req))
            return
        self._place(slot, request, answer)

    def _place(self, slot: _Slot, request: R, answer: Answer) -> None:
        if isinstance(answer, OutOfOrder):
            slot.ordered = False
            self._parked += 1
            answer.future.add_done_callback(lambda done: self._finish(slot, request, done))
            return
        self._slots.append(slot)
        if isinstance(answer, Stream):
            self._begin_stream(slot, answer)
        elif isinstance(answer, asyncio.Future):
            answer.add_done_callback(lambda done: self._finish(slot, request, done))
        elif asyncio.iscoroutine(answer):
            task: asyncio.Task[Fields] = self._loop.create_task(answer)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            task.add_done_callback(lambda done: self._finish(slot, request, done))
        else:
            self._fill(slot, _success(slot.req, request, answer))

    def _finish(self, slot: _Slot, request: R, done: asyncio.Future[Fields]) -> None:
        if done.cancelled():
            error: BaseException | None = UnavailableError("hive-c0re is shutting down")
        else:
            error = done.exception()
        if error is None:
            line = _success(slot.req, request, done.result())
        else:
            line = encode_error(present(error, request), slot.req)
        self._fill(slot, line)
        self._schedule_flush()

    def _fill(self, slot: _Slot, line: bytes) -> None:
        if not slot.ordered:
            self._parked -= 1
            self._out.append(line)
            self._regulate()
            return
        slot.line = line
        while self._slots and (ready := self._slots[0].line) is not None:
            self._out.append(ready)
            self._slots.popleft()
        self._regulate()

    def _regulate(self) -> None:
        """Read on only while the client reads too and not too much is under way."""
        if self._transport is None or self._transport.is_closing():
            return
        under_way = len(self._slots) + self._parked
        wanted = self._write_deadline is None and under_way <= MAX_OUTSTANDING
        if wanted and not self._transport.is_reading():
            self._transport.resume_reading()
        elif not wanted and self._transport.is_reading():
            self._transport.pause_reading()

    def _begin_stream(self, slot: _Slot, stream: Stream) -> None:
        self._fill(slot, encode_ok(slot.req))
        run = stream.run(lambda fields: self._push(slot.req, fields))
        self._stream = self._loop.create_task(run)
        self._stream.add_done_callback(lambda done: self._stream_ended(slot.req, done))

    def _stream_ended(self, req: str | int | None, done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, HiveError):
            self._say(_Slot(req), encode_error(error, req))
            self._flush()
        elif error is not None:
            logger.error("a stream to a client broke off", exc_info=error)
        self.close()

    def _push(self, req: str | int | None, fields: Fields) -> None:
        self._say(_Slot(req), encode_ok(req, **fields))
        self._schedule_flush()

    def _schedule_flush(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()


def _success(req: str | int | None, request: Request, fields: Fields) -> bytes:
    """Return the line of an answer; one that JSON cannot hold is a fault of ours."""
    try:
        return encode_ok(req, **fields)
    except Exception as error:
        return encode_error(present(error, request), req)


def present(error: BaseException, request: Request) -> HiveError:
    """Return an error as a client may see it; our own faults are logged and named as such."""
    if isinstance(error, HiveError):
        return error
    verb = request.__struct_config__.tag
    if isinstance(error, ActorDied | MailboxFull):
        return UnavailableError(f"{verb!r} cannot be served right now: {error}; try again")
    if isinstance(error, AskTimeout):
        return TimedOutError(f"{verb!r} was taken but not answered in time: {error}")
    logger.error("a bug in hive-c0re: %r failed", verb, exc_info=error)
    return FailedError(
        f"{verb!r} failed through a bug in hive-c0re ({type(error).__name__}: {error}); "
        "its log has the traceback"
    )
