"""Standard input, output and error of verbs: closed, full, or without an end."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
import time
from collections.abc import Iterator
from io import TextIOWrapper

from hive.errors import FailedError, TimedOutError, TooLargeError
from hive.quantities import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TextIO

INPUT_MAX = 1 << 20
"""Bytes of standard input that a verb reads: no line of the wire is longer."""

DONE = "what was asked for is done all the same"
"""Consequence of lost output for most verbs."""

_CHUNK = 65536
"""Bytes of one read of standard input."""

_STANDARD = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def reopen_closed_stdio() -> None:
    """Open the null device for each of standard input, output and error that is closed.

    Otherwise a file opened later would get its descriptor: output would be written into that file,
    and libuv aborts a process that closes the descriptor. The order is that of the descriptors,
    since open(2) returns the lowest free one.
    """
    for name, mode in _STANDARD:
        if getattr(sys, name) is None:
            null = open(os.devnull, mode)  # noqa: SIM115  # stays open
            os.set_inheritable(null.fileno(), True)
            setattr(sys, name, null)


def escape_unencodable() -> None:
    """Show characters that an output cannot encode as escapes: no text of others fails a verb."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Redirect standard output to the null device: the interpreter flushes it once more at exit."""
    _redirect_to_null(sys.stdout)


def _redirect_to_null(stream: TextIO) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def write_error(text: str) -> None:
    """Write to standard error; without one that takes it, the exit status says enough."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _redirect_to_null(sys.stderr)


def has_lost_reader(error: OSError) -> bool:
    """Return whether the reader of standard output has gone: of a pipe, or a closed terminal."""
    if error.errno == errno.EIO:
        return stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode)
    return error.errno == errno.EPIPE


def raise_output_error(error: OSError, consequence: str = DONE) -> NoReturn:
    """Raise the error of an output that cannot be written.

    Args:
        error: The error of the write.
        consequence: Sentence about the state of the request.

    Raises:
        FailedError: Always.
    """
    discard_output()
    raise FailedError(f"the output cannot be written: {error.strerror}; {consequence}") from None


def describe_failure(error: OSError) -> str:
    """Return a sentence about an error of the system that no verb has described.

    It is that of an output, for the libraries that print help, or of the working directory, which
    may have been removed after the shell went there. Standard output is not written to any more.
    """
    discard_output()
    try:
        os.getcwd()
    except OSError:
        return "the working directory of this program is gone; change to another one"
    return str(error) if error.filename else f"the output cannot be written: {error.strerror}"


def read_input(limit: int, seconds: float | None = None) -> bytes:
    """Return all of standard input.

    Args:
        limit: Most bytes that it may have.
        seconds: Seconds within which it must end; None for no limit.

    Raises:
        TooLargeError: It has more bytes.
        TimedOutError: It does not end in time.
    """
    if seconds is None:
        found = sys.stdin.buffer.read(limit + 1)
    else:
        found = b"".join(_chunks(limit, time.monotonic() + seconds))
    if len(found) > limit:
        raise TooLargeError(f"standard input has more than {counted(limit, 'byte')}; send less")
    return found


def _chunks(limit: int, deadline: float) -> Iterator[bytes]:
    """Yield standard input until it ends, or has more bytes than the limit."""
    descriptor, size = sys.stdin.fileno(), 0
    while size <= limit:
        left = max(0.0, deadline - time.monotonic())
        if not select.select([descriptor], [], [], left)[0]:
            raise TimedOutError("standard input did not end in time; close it after the text")
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return
        size += len(chunk)
        yield chunk
