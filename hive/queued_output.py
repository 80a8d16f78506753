"""Output of long-running programs: written by a thread, so that no reader can stop the event loop.

A terminal held by Ctrl-S, a pipe that nobody reads, or a full disk must not hold up who prints. So
text goes to a queue of limited size. What does not fit is dropped and counted, and what was written
next begins with the number.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from threading import Condition, Thread
from typing import TextIO

QUEUE_BYTES = 256 * 1024
"""Bytes of output that wait for a reader; further output is dropped."""

CLOSE_SECONDS = 1.0
"""Seconds that the end of a program waits for its output to be written."""

STDERR_FILENO = 2
"""The descriptor of standard error; open in all programs, see `hive.stdio`."""

UNREAD = "it was not read in time"
"""Why lines are missing that did not fit into a queue."""

Write = Callable[[bytes], object]
"""Writes all of some output, and may block; raises OSError. See `descriptor_writer`."""


class BoundedOutput:
    """Output that waits to be written: at most `QUEUE_BYTES`, and the number of dropped lines.

    Any thread may add to it, and never waits; one thread takes.
    """

    def __init__(self, limit: int = QUEUE_BYTES) -> None:
        self._limit = limit
        self._changed = Condition()
        self._waiting: list[bytes] = []
        self._size = 0
        self._dropped = 0
        self._closed = False

    def put(self, data: bytes) -> None:
        """Add output, or drop it: all that comes after a dropped piece is dropped until a take."""
        with self._changed:
            if self._dropped or self._size + len(data) > self._limit:
                self._dropped += count_lines(data)
                return
            self._waiting.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def take(self, timeout: float | None = None) -> bytes | None:
        """Return all that waits, then a line about what was dropped after it.

        Args:
            timeout: Seconds to wait for something; None for no limit.

        Returns:
            Nothing after the timeout; None if it is closed and nothing waits.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            if self._closed and not self._waiting:
                return None
            taken, self._waiting = b"".join(self._waiting), []
            if self._dropped:
                taken += b"" if taken.endswith(b"\n") else b"\n"
                taken += missing(self._dropped, UNREAD)
            self._size = self._dropped = 0
            return taken

    def close(self) -> None:
        """Let the taker end once it has taken what waits. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class QueuedOutput:
    """Writes output on a thread of its own; the thread begins with the first output.

    What could not be written (closed terminal, full disk) is counted, too: the next output that can
    be written begins with the number.

    Args:
        write: Writes all of some output.
        encoding: That of lines of text.
        limit: Bytes that may wait.
    """

    def __init__(self, write: Write, encoding: str = "utf-8", *, limit: int = QUEUE_BYTES) -> None:
        self._write = write
        self._encoding = encoding
        self._output = BoundedOutput(limit)
        self._thread: Thread | None = None

    @classmethod
    def of(cls, stream: TextIO) -> QueuedOutput:
        """Return a queued output of a stream; what the stream has in its own buffer is flushed."""
        return cls(stream_writer(stream), stream.encoding or "utf-8")

    def put(self, data: bytes) -> None:
        """Write output soon, or drop it; never waits."""
        self._output.put(data)
        if self._thread is None:
            # A daemon: it may be blocked for ever, which must not keep the program from its end.
            self._thread = Thread(target=self._write_all, name="output", daemon=True)
            self._thread.start()

    def put_line(self, line: str) -> None:
        """Write a line of text soon, or drop it."""
        self.put(f"{line}\n".encode(self._encoding, errors="backslashreplace"))

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Wait until everything is written, at most so many seconds. Idempotent."""
        self._output.close()
        if self._thread is not None:
            self._thread.join(seconds)

    def _write_all(self) -> None:
        failed, reason = 0, ""
        while (data := self._output.take()) is not None:
            try:
                self._write(missing(failed, reason) + data if failed else data)
            except (OSError, ValueError) as error:  # ValueError: the stream was closed
                failed += count_lines(data)
                reason = getattr(error, "strerror", None) or str(error)
            else:
                failed = 0


class QueuedLogHandler(logging.Handler):
    """Passes log records to a queued output."""

    def __init__(self, output: QueuedOutput) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record and pass it on."""
        self._output.put_line(self.format(record))


@cache
def standard_error() -> QueuedOutput:
    """Return the queued output of standard error; what waits at the end of the program is written.

    `os._exit` needs a call of `close` first.
    """
    output = QueuedOutput(partial(write_all, STDERR_FILENO), sys.stderr.encoding or "utf-8")
    atexit.register(output.close)
    return output


def log_to_stderr(level: int, pattern: str) -> None:
    """Send the log of this program to its standard error, unless logging is configured already."""
    handler = QueuedLogHandler(standard_error())
    logging.basicConfig(level=level, format=pattern, handlers=[handler])


def stream_writer(stream: TextIO) -> Write:
    """Return a function that writes to the descriptor of a stream.

    It takes no lock of the stream: the interpreter wants that at its end, and a thread that is
    blocked in a write would hold it. A stream without a descriptor is written to itself.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):

        def write(data: bytes) -> None:
            stream.write(data.decode(errors="replace"))
            stream.flush()

        return write
    with suppress(OSError):
        stream.flush()
    return partial(write_all, descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of some data; wait also for a reader if another program made it non-blocking."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()


def missing(lines: int, reason: str) -> bytes:
    """Return a line about lines that were not written."""
    return f"[hive] lines missing here: {lines}; {reason}\n".encode()


def count_lines(data: bytes) -> int:
    """Return the number of lines that some output has, or is a part of."""
    return max(1, data.count(b"\n"))


def descriptor_stream(stream: TextIO) -> TextIO:
    """Return a second text stream on the descriptor of a stream, without its lock and its buffer.

    For a thread that may be blocked for ever in a write; see `stream_writer`.
    """
    raw = open(stream.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115 - stays open
    return io.TextIOWrapper(
        raw,
        stream.encoding,
        errors="backslashreplace",
        write_through=True,
    )
