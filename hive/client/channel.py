"""A channel: requests over a connection that is made again whenever it is lost.

`Channel` writes requests and gives each its answer. `Calls` holds the requests without an answer
and decides what a lost connection means for each. `Link` keeps the connection up.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import count
from pathlib import Path
from random import Random
from typing import Protocol, cast

import msgspec
from attrs import define, field

from actors import Backoff
from hive.base_directories import check_socket_path
from hive.client.responses import (
    Fields,
    not_text,
    outcome_unknown,
    raise_refusal,
    read_response,
    require_finite,
    unreachable,
    version_warning,
)
from hive.errors import HiveError, TimedOutError, TooLargeError, UnavailableError
from hive.quantities import counted
from hive.wire.base import LINE_MAX
from hive.wire.framing import LineBuffer, TooLong

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 30.0
"""Seconds that an answer may take, beyond the wait that a `recv` asks for."""

RESPONSE_MAX = 64 << 20
"""Bytes of the longest response line: enough for 32 bodies with every character escaped."""

UNAWAITED = 0
"""The `req` of requests whose answers are ignored."""


class Repeat(Enum):
    """When a request may be written again on a new connection."""

    ALWAYS = "always"
    """A repeat has no effect."""
    UNWRITTEN = "unwritten"
    """Only if no byte of it was written: a repeat would be a second message."""


@define(eq=False)
class Call:
    """A request without an answer.

    Attributes:
        req: Its number, which the response repeats.
        line: The request as it is written.
        repeat: Whether it is repeated after a lost connection.
        timeout: Seconds that its answer may take once it is written.
        timer: Ends the present phase: the wait for a connection, or for the answer.
    """

    req: int
    line: bytes
    future: asyncio.Future[Fields]
    repeat: Repeat
    timeout: float
    written: bool = False
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        """Cancel the timer of the present phase."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@define(eq=False)
class Calls:
    """The calls of one client, in the order in which they were made."""

    _by_req: dict[int, Call] = field(factory=dict)

    def __len__(self) -> int:
        return len(self._by_req)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._by_req.values()))

    def add(self, call: Call) -> None:
        """Hold a call until it is answered or dropped."""
        self._by_req[call.req] = call

    def take(self, req: object) -> Call | None:
        """Remove and return the call of a response; None if there is none."""
        call = self._by_req.pop(req, None) if isinstance(req, int) else None
        if call is not None:
            call.stop_timer()
        return call

    def unwritten(self) -> tuple[Call, ...]:
        """Return the calls to write on a new connection, oldest first."""
        return tuple(call for call in self if not call.written and not call.future.done())

    def lose_connection(self) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
        """Split the written calls into those that fail and those that are written again."""
        written = [call for call in self if call.written]
        failed = tuple(
            call for call in written if call.repeat is Repeat.UNWRITTEN or call.future.done()
        )
        for call in failed:
            self.take(call.req)
        again = tuple(call for call in written if call not in failed)
        for call in again:
            call.written = False
        return failed, again


class Channel:
    """Writes requests and gives each its answer.

    Args:
        path: The socket.
        patience: Seconds that a request waits for a connection before it fails.
        backoff: Delays between attempts to connect.
        random: Source of jitter.
        unclaimed: Called with the answer to a cancelled request; returns requests to write.
    """

    def __init__(
        self,
        path: Path,
        *,
        patience: float,
        backoff: Backoff,
        random: Random,
        unclaimed: Callable[[Fields], list[Fields]],
    ) -> None:
        self._path = path
        self._patience = patience
        self._unclaimed = unclaimed
        self._link = Link(path, self, backoff, random)
        self._calls = Calls()
        self._numbers = count(UNAWAITED + 1)
        self._greetings: dict[str, bytes] = {}
        self._last_error: HiveError | None = None
        self._warned = False
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._link.up

    def open(self) -> None:
        """Begin to connect; requests may be made at once. Idempotent."""
        self._link.open()

    async def close(self) -> None:
        """End the connection; requests without an answer fail with UnavailableError."""
        self._closed = True
        await self._link.close()
        for call in self._calls:
            self._fail(call, outcome_unknown(self._path))

    def greet_with(self, request: Fields) -> None:
        """Write this request first on every later connection, in place of an earlier such one."""
        self._greetings[request["cmd"]] = _encode(request, UNAWAITED)

    def request(
        self, request: Fields, repeat: Repeat, timeout: float = ANSWER_TIMEOUT
    ) -> asyncio.Future[Fields]:
        """Write a request, now or once there is a connection; return the future of its answer.

        Raises:
            TooLargeError: When the line would be longer than the daemon reads.
        """
        req = next(self._numbers)
        line = _encode(request, req)
        future: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()
        call = Call(req, line, future, repeat, timeout)
        self._calls.add(call)
        future.add_done_callback(lambda done: self._drop_unwritten(call))
        if self._closed:
            self._fail(call, UnavailableError(f"this client of {self._path} was closed"))
        elif self._link.up:
            self._write(call)
        else:
            self._await_connection(call)
        return future

    def unclaimed(self, fields: Fields) -> None:
        """Handle the answer to a cancelled request.

        Without a connection there is nothing to do: the leases have ended with it.
        """
        for request in self._unclaimed(fields) if self._link.up else ():
            self._link.write(_encode(request, UNAWAITED))

    def link_up(self) -> None:
        """Write the greetings and the calls that wait for a connection."""
        self._last_error = None
        for greeting in self._greetings.values():
            self._link.write(greeting)
        for call in self._calls.unwritten():
            self._write(call)

    def link_line(self, line: bytes) -> None:
        """Give an answer to its call."""
        try:
            fields = read_response(line)
        except HiveError as error:
            logger.warning("%s: %s", self._path, error)
            return
        self._warn_once(fields)
        call = self._calls.take(fields.get("req"))
        if call is None:
            return
        if call.future.done():
            self.unclaimed(fields)
            return
        try:
            call.future.set_result(raise_refusal(fields))
        except HiveError as error:
            call.future.set_exception(error)

    def link_down(self) -> None:
        """Fail the calls that must not be repeated; the others wait for the next connection."""
        failed, again = self._calls.lose_connection()
        for call in failed:
            self._set_error(call, outcome_unknown(self._path))
        for call in again:
            self._await_connection(call)

    def link_unreachable(self, error: HiveError) -> None:
        """Record the error for calls that wait too long for a connection."""
        self._last_error = error

    def _write(self, call: Call) -> None:
        call.written = True
        self._link.write(call.line)
        self._set_timer(call, call.timeout, self._answer_timed_out)

    def _await_connection(self, call: Call) -> None:
        self._set_timer(call, self._patience, self._connection_timed_out)

    @staticmethod
    def _set_timer(call: Call, seconds: float, then: Callable[[Call], None]) -> None:
        call.stop_timer()
        call.timer = asyncio.get_running_loop().call_later(seconds, then, call)

    def _answer_timed_out(self, call: Call) -> None:
        """Fail a call, but hold it: messages that a late answer brings are given back."""
        sentence = f"hive-c0re did not answer on {self._path} within {call.timeout:g} s"
        self._set_error(call, TimedOutError(f"{sentence}; look before you repeat the request"))

    def _connection_timed_out(self, call: Call) -> None:
        error = self._last_error or UnavailableError(f"no connection to {self._path}")
        self._fail(call, error)

    def _drop_unwritten(self, call: Call) -> None:
        """Drop a call that was cancelled before it was written."""
        if not call.written:
            self._calls.take(call.req)

    def _fail(self, call: Call, error: HiveError) -> None:
        self._calls.take(call.req)
        self._set_error(call, error)

    @staticmethod
    def _set_error(call: Call, error: HiveError) -> None:
        if not call.future.done():
            call.future.set_exception(error)

    def _warn_once(self, fields: Fields) -> None:
        warning = version_warning(fields)
        if warning and not self._warned:
            self._warned = True
            logger.warning("%s: %s", self._path, warning)


class LinkListener(Protocol):
    """The callbacks of a link, called synchronously on the loop."""

    def link_up(self) -> None:
        """A new connection can be written to."""
        ...

    def link_line(self, line: bytes) -> None:
        """A whole line was received."""
        ...

    def link_down(self) -> None:
        """The connection is lost; the link connects again."""
        ...

    def link_unreachable(self, error: HiveError) -> None:
        """An attempt to connect failed; the link tries again."""
        ...


class Link:
    """Keeps one unix-socket connection up.

    Args:
        path: The socket.
        listener: Gets the callbacks.
        backoff: Delays between attempts. The count of attempts is reset once a connection has
            received a line.
        random: Source of jitter.
    """

    def __init__(
        self, path: Path, listener: LinkListener, backoff: Backoff, random: Random
    ) -> None:
        self._path = path
        self._listener = listener
        self._backoff = backoff
        self._random = random
        self._task: asyncio.Task[None] | None = None
        self._connection: _Connection | None = None

    @property
    def up(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    def open(self) -> None:
        """Begin to connect. Idempotent."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_up(), name="hive-link")

    async def close(self) -> None:
        """End the connection and make no new one."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def write(self, data: bytes) -> None:
        """Write to the present connection."""
        assert self._connection is not None
        self._connection.write(data)

    async def _keep_up(self) -> None:
        attempt = 0
        while True:
            connection = await self._connect()
            if connection is not None:
                try:
                    await self._serve(connection)
                finally:
                    await connection.close()
                if connection.has_received:
                    attempt = 0
            await asyncio.sleep(self._backoff.delay(attempt, self._random))
            attempt += 1

    async def _connect(self) -> _Connection | None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_unix_connection(
                lambda: _Connection(self._listener), os.fspath(check_socket_path(self._path))
            )
        except HiveError as error:
            self._listener.link_unreachable(error)
        except OSError as error:
            self._listener.link_unreachable(unreachable(self._path, error))
        else:
            return connection
        return None

    async def _serve(self, connection: _Connection) -> None:
        self._connection = connection
        self._listener.link_up()
        try:
            await connection.lost.wait()
        finally:
            self._connection = None
            self._listener.link_down()


class _Connection(asyncio.Protocol):
    def __init__(self, listener: LinkListener) -> None:
        self._listener = listener
        self._lines = LineBuffer(RESPONSE_MAX)
        self._transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()
        self.has_received = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            if isinstance(line, TooLong):
                self._abort()
                return
            self.has_received = True
            self._listener.link_line(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def close(self) -> None:
        self._abort()
        await self.lost.wait()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _encode(request: Fields, req: int) -> bytes:
    present = {name: value for name, value in request.items() if value is not None}
    require_finite(present)
    try:
        line = msgspec.json.encode({**present, "req": req})
    except UnicodeEncodeError as error:
        raise not_text(error) from None
    if len(line) > LINE_MAX:
        raise TooLargeError(
            f"this request has {counted(len(line), 'byte')}, hive-c0re reads {LINE_MAX}; "
            "put the text into a file and send its path"
        )
    return line + b"\n"
