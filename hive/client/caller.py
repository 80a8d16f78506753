"""Requests over a connection that may be lost: what is written when, and how each one ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

import msgspec

from actors import Backoff
from hive.client.calls import Call, Calls, Repeat
from hive.client.link import Link
from hive.client.responses import (
    Fields,
    not_text,
    outcome_unknown,
    raise_refusal,
    read_response,
    require_finite,
    version_warning,
)
from hive.errors import HiveError, TimedOutError, TooLargeError, UnavailableError
from hive.wire.base import LINE_MAX

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 30.0
"""Seconds that an answer may take, beyond the time that a `recv` asked to wait."""

UNAWAITED = 0
"""The `req` of requests whose answers nobody needs."""


class Caller:
    """Writes requests and hands their answers to whoever waits for them.

    Args:
        path: The socket.
        patience: Seconds that a request waits for a connection before it fails.
        backoff: Delays between attempts to connect.
        random: Where jitter comes from.
        unclaimed: Called with an answer whose caller has gone; returns requests to write.
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
        """Write a request, or keep it until there is a connection; return its answer to come.

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
        """Do what is to be done with an answer that nobody waits for any more.

        Without a connection that is nothing: its leases have ended with it.
        """
        for request in self._unclaimed(fields) if self._link.up else ():
            self._link.write(_encode(request, UNAWAITED))

    def link_up(self) -> None:
        """Greet again and write what has waited."""
        self._last_error = None
        for greeting in self._greetings.values():
            self._link.write(greeting)
        for call in self._calls.unwritten():
            self._write(call)

    def link_line(self, line: bytes) -> None:
        """Hand an answer to whoever waits for it."""
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
        """Fail what may not be asked twice; the rest waits for the next connection."""
        failed, again = self._calls.lose_connection()
        for call in failed:
            self._settle(call, outcome_unknown(self._path))
        for call in again:
            self._await_connection(call)

    def link_unreachable(self, error: HiveError) -> None:
        """Remember why, for those whose patience ends."""
        self._last_error = error

    def _write(self, call: Call) -> None:
        call.written = True
        self._link.write(call.line)
        self._watch(call, call.timeout, self._answer_is_late)

    def _await_connection(self, call: Call) -> None:
        self._watch(call, self._patience, self._patience_ended)

    @staticmethod
    def _watch(call: Call, seconds: float, then: Callable[[Call], None]) -> None:
        call.stop_timer()
        call.timer = asyncio.get_running_loop().call_later(seconds, then, call)

    def _answer_is_late(self, call: Call) -> None:
        """Stop waiting, but remember the call: what its late answer brings is not lost."""
        sentence = f"hive-c0re did not answer on {self._path} within {call.timeout:g} s"
        self._settle(call, TimedOutError(f"{sentence}; look before you repeat the request"))

    def _patience_ended(self, call: Call) -> None:
        error = self._last_error or UnavailableError(f"no connection to {self._path}")
        self._fail(call, error)

    def _drop_unwritten(self, call: Call) -> None:
        """Forget a call that was cancelled before it was written."""
        if not call.written:
            self._calls.take(call.req)

    def _fail(self, call: Call, error: HiveError) -> None:
        self._calls.take(call.req)
        self._settle(call, error)

    @staticmethod
    def _settle(call: Call, error: HiveError) -> None:
        if not call.future.done():
            call.future.set_exception(error)

    def _warn_once(self, fields: Fields) -> None:
        warning = version_warning(fields)
        if warning and not self._warned:
            self._warned = True
            logger.warning("%s: %s", self._path, warning)


def _encode(request: Fields, req: int) -> bytes:
    present = {name: value for name, value in request.items() if value is not None}
    require_finite(present)
    try:
        line = msgspec.json.encode({**present, "req": req})
    except UnicodeEncodeError as error:
        raise not_text(error) from None
    if len(line) > LINE_MAX:
        raise TooLargeError(
            f"this request has {len(line)} bytes, hive-c0re reads {LINE_MAX}; "
            "put the text into a file and send its path"
        )
    return line + b"\n"
