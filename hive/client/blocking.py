"""A blocking client for one-shot commands.

Imports `socket` and `json` and nothing slower: start-up is most of the time of such a command.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from hive.base_directories import StrPath, check_socket_path
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
from hive.errors import TimedOutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

CHUNK = 65536
"""Bytes of one read."""

Warn = Callable[[str], object]

Wait = Callable[[int, float | None], object]
"""Waits for data on a descriptor, for at most so many seconds."""


def warn_on_stderr(sentence: str) -> None:
    """Write a warning to standard error."""
    sys.stderr.write(f"warning: {sentence}\n")


def call(
    path: StrPath,
    request: Mapping[str, Any],
    timeout: float | None = 30.0,
    *,
    warn: Warn = warn_on_stderr,
) -> Fields:
    """Send one request and return the fields of its response.

    Args:
        path: The socket.
        request: The request's fields, `cmd` among them; those that are None are left out.
        timeout: Seconds for connection, request and response together; None for no limit.
        warn: Called with a sentence if the daemon speaks a newer version of the wire.

    Raises:
        HiveError: The error of the response; UnavailableError when the daemon cannot be reached
            or closes the connection, TimedOutError when the response is late.
    """
    with BlockingClient(path, timeout, warn=warn) as connection:
        return connection.call(request, timeout)


def stream(
    path: StrPath,
    request: Mapping[str, Any],
    timeout: float | None = 30.0,
    *,
    within: float | None = None,
    warn: Warn = warn_on_stderr,
    wait: Wait | None = None,
) -> Iterator[Fields]:
    """Send one request and yield its first response and each later one.

    The iteration ends when the daemon closes the connection; close the iterator to end it earlier.
    Errors are those of `call`.

    Args:
        path: The socket.
        request: As for `call`.
        timeout: Seconds until the first response.
        within: Seconds for all others together.
        warn: As for `call`.
        wait: Called before each read of a later response, with the socket's descriptor and the
            seconds that are left. It returns when there is something to read, and may raise to end
            the stream.
    """
    with BlockingClient(path, timeout, warn=warn) as connection:
        yield connection.call(request, timeout)
        yield from connection.further(within, wait)


class BlockingClient:
    """One connection for several requests: its leases end with it.

    Args:
        path: The socket.
        timeout: Seconds for the connection; None for no limit.
        warn: Called with a sentence if the daemon speaks a newer version of the wire.

    Raises:
        HiveError: UnavailableError or TimedOutError when the daemon cannot be reached.
    """

    def __init__(
        self, path: StrPath, timeout: float | None = 30.0, *, warn: Warn = warn_on_stderr
    ) -> None:
        self._path = path
        self._warn: Warn | None = warn
        self._parts: list[bytes] = []
        self._lines: deque[bytes] = deque()
        self._deadline = _deadline(timeout)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def server_pid(self) -> int:
        """The pid of the daemon; 0 if it is in a PID namespace that this program cannot see."""
        # SO_PEERCRED of unix(7): process, user and group, an int each.
        found = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(found[:4], sys.byteorder, signed=True)

    def close(self) -> None:
        """End the connection. Idempotent."""
        self._socket.close()

    def call(self, request: Mapping[str, Any], timeout: float | None = 30.0) -> Fields:
        """Send one request and return the fields of its response; see the function `call`."""
        line = _encode(request)
        self._deadline = _deadline(timeout)
        self._limit_next_operation()
        try:
            self._socket.sendall(line)
        except TimeoutError:
            raise self._timed_out() from None
        except OSError:
            raise outcome_unknown(self._path) from None
        answer = self._next_line()
        if answer is None:
            raise outcome_unknown(self._path)
        return self._accept(answer)

    def further(self, within: float | None = None, wait: Wait | None = None) -> Iterator[Fields]:
        """Yield each further response until the daemon closes the connection; see `stream`.

        Raises:
            TimedOutError: It has not within so many seconds; None for no limit.
        """
        self._deadline = _deadline(within)
        while (line := self._next_line(wait)) is not None:
            yield self._accept(line)

    def stays_open(self, seconds: float) -> bool:
        """Return whether the daemon keeps the connection open, after at most so many seconds.

        What arrives is dropped.
        """
        self._socket.settimeout(seconds)
        try:
            return bool(self._socket.recv(CHUNK))
        except TimeoutError:
            return True
        except OSError:
            return False

    def _connect(self) -> None:
        self._limit_next_operation()
        try:
            self._socket.connect(check_socket_path(os.fspath(self._path)))
        except TimeoutError:
            raise self._timed_out() from None
        except OSError as error:
            raise unreachable(self._path, error) from None

    def _accept(self, line: bytes) -> Fields:
        fields = read_response(line)
        warning = version_warning(fields)
        if warning and self._warn is not None:
            self._warn(warning)
            self._warn = None
        return raise_refusal(fields)

    def _next_line(self, wait: Wait | None = None) -> bytes | None:
        """Return the next whole line; None at the end. An incomplete last line is dropped."""
        while not self._lines:
            if wait is not None:
                wait(self._socket.fileno(), self._seconds_left())
            self._limit_next_operation()
            try:
                chunk = self._socket.recv(CHUNK)
            except TimeoutError:
                raise self._timed_out() from None
            except OSError:
                return None
            if not chunk:
                return None
            self._take(chunk)
        return self._lines.popleft()

    def _take(self, chunk: bytes) -> None:
        head, *rest = chunk.split(b"\n")
        self._parts.append(head)
        for piece in rest:
            self._lines.append(b"".join(self._parts))
            self._parts = [piece]

    def _limit_next_operation(self) -> None:
        """Set the socket's timeout to the remaining time."""
        self._socket.settimeout(self._seconds_left())

    def _seconds_left(self) -> float | None:
        left = None if self._deadline is None else self._deadline - time.monotonic()
        if left is not None and left <= 0:
            raise self._timed_out()
        return left

    def _timed_out(self) -> TimedOutError:
        return TimedOutError(
            f"hive-c0re did not answer on {self._path} in time; look before you repeat the request"
        )


def _deadline(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    require_finite({"timeout": timeout})
    return time.monotonic() + timeout


def _encode(request: Mapping[str, Any]) -> bytes:
    present = {name: value for name, value in request.items() if value is not None}
    require_finite(present)
    try:
        return json.dumps(present, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError as error:
        raise not_text(error) from None
