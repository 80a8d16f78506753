"""One client's connection: lines in, answers out, in order.

An `asyncio.Protocol` rather than streams: no task and no buffer object exists for a client that
waits. Answers of one turn of the loop leave in one write.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar, cast

from actors import ReplyTo
from hive.errors import BadRequestError, HiveError, TooLargeError
from hive.gateway.answers import Asked, Fields, Stream, Verbs, pass_on
from hive.gateway.flusher import Flusher
from hive.gateway.origin import has_gone
from hive.gateway.slots import OpenSlot, Slot, failure, success
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


class Connection(asyncio.Protocol, Generic[R]):
    """Serves one client.

    Args:
        decoder: Knows the requests of this socket.
        make_verbs: Called when the client is there.
        running: Holds the tasks of long requests, which outlive their connection: an operator who
            interrupts `hive-c0re restart` has not interrupted the restart.
        flusher: Writes what this and other connections have to say at the end of a turn.
    """

    def __init__(
        self,
        decoder: RequestDecoder[R],
        make_verbs: VerbsFactory[R],
        running: set[asyncio.Task[Fields]],
        flusher: Flusher,
    ) -> None:
        self._decoder = decoder
        self._make_verbs = make_verbs
        self._running = running
        self._flusher = flusher
        self._loop = asyncio.get_running_loop()
        self._lines = LineBuffer()
        self._slots: deque[Slot] = deque()
        self._out: list[bytes] = []
        self._parked = 0
        self._held_up = False
        self._leaving = False
        self._has_ended = False
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
        if self._out:
            self.flush()
        if len(self._slots) + self._parked > MAX_OUTSTANDING:
            self._regulate()

    def eof_received(self) -> bool:
        """The client asks no more; return whether the connection stays, for answers to come.

        Who has only closed its sending end, as a shell's pipe does, still reads. Who has gone
        altogether is let go of at once, and so is who reads a stream.
        """
        assert self._transport is not None
        self.flush()
        is_waiting = self._is_awaited and self._stream is None
        self._has_ended = is_waiting and not has_gone(self._transport)
        return self._has_ended

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
        self.flush()
        self._leaving = True
        if self._transport is None:
            return
        if self._write_deadline is not None:
            self._write_deadline.cancel()
        self._write_deadline = self._loop.call_later(FAREWELL, self.abort)
        self._transport.close()

    def flush(self) -> None:
        """Write the answers that are ready."""
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out.clear()

    def _take(self, line: bytes | TooLong) -> None:
        if isinstance(line, TooLong):
            too_long = TooLargeError(
                f"a line may have {line.limit} bytes; this one was longer and was skipped"
            )
            self._say(encode_error(too_long))
            return
        try:
            request = self._decoder.decode(line)
        except BadRequestError as error:
            self._say(encode_error(error, request_id(line)))
            return
        self._answer(request)

    def _answer(self, request: R) -> None:
        assert self._verbs is not None
        try:
            answer = self._verbs.handle(request)
        except Exception as error:
            self._say(failure(request, error))
            return
        if isinstance(answer, Asked):
            self._ask(request, answer)
        elif isinstance(answer, Stream):
            self._begin_stream(request, answer)
        elif asyncio.iscoroutine(answer):
            self._ask(request, Asked(partial(self._run, answer), _as_it_is))
        else:
            self._say(success(request, _as_it_is, answer))

    def _ask(self, request: R, answer: Asked) -> None:
        slot = OpenSlot(None, request, answer.fields, answer.ordered, self._filled)
        if answer.ordered:
            self._slots.append(slot)
        else:
            self._parked += 1
        try:
            answer.ask(slot)
        except Exception as error:
            slot.set_exception(error)

    def _run(self, answer: Coroutine[Any, Any, Fields], reply_to: ReplyTo[Fields]) -> None:
        task = self._loop.create_task(answer)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        pass_on(task, reply_to)

    def _filled(self, slot: OpenSlot) -> None:
        if slot.ordered:
            self._take_out()
        elif slot.line is not None:
            self._parked -= 1
            self._out.append(slot.line)
        if self._held_up:
            self._regulate()
        if self._has_ended and not self._is_awaited:
            self.close()
        elif self._out:
            self._flusher.add(self)

    @property
    def _is_awaited(self) -> bool:
        """Whether somebody is still asked about an answer."""
        return bool(self._slots or self._parked)

    def _take_out(self) -> None:
        """Take the answers whose turn it is out of their slots."""
        while self._slots and (line := self._slots[0].line) is not None:
            self._out.append(line)
            self._slots.popleft()

    def _say(self, line: bytes) -> None:
        """Answer at once, which is still after those who asked before."""
        self._slots.append(Slot(line))
        self._take_out()

    def _regulate(self) -> None:
        """Read on only while the client reads too and not too much is under way."""
        if self._transport is None or self._transport.is_closing():
            return
        under_way = len(self._slots) + self._parked
        held_up = self._write_deadline is not None or under_way > MAX_OUTSTANDING
        if held_up and not self._held_up:
            self._transport.pause_reading()
        elif self._held_up and not held_up:
            self._transport.resume_reading()
        self._held_up = held_up

    def _begin_stream(self, request: R, stream: Stream) -> None:
        self._say(encode_ok(request.req))
        run = stream.run(lambda fields: self._push(request.req, fields))
        self._stream = self._loop.create_task(run)
        self._stream.add_done_callback(lambda done: self._stream_ended(request.req, done))

    def _stream_ended(self, req: str | int | None, done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, HiveError):
            self._say(encode_error(error, req))
            self.flush()
        elif error is not None:
            logger.error("a stream to a client broke off", exc_info=error)
        self.close()

    def _push(self, req: str | int | None, fields: Fields) -> None:
        self._say(encode_ok(req, **fields))
        self._flusher.add(self)


def _as_it_is(fields: Fields) -> Fields:
    return fields
