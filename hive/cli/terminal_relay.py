"""A program on a terminal of its own, which this program relays to and from the operator's.

What runs in a container must not have the operator's own terminal: whoever has a terminal can type
on it. So it gets another one, which is removed with this program, and then hangs up.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

CHUNK = 65536
"""Bytes of one read."""


def relayed(start: Callable[[int], T]) -> T:
    """Run a program on a terminal of its own until it has ended; return what `start` returned.

    Args:
        start: Starts the program with this descriptor as its standard streams.
    """
    ours, theirs = os.openpty()
    try:
        with suppress(termios.error):  # standard input may be no terminal in a test
            termios.tcsetattr(theirs, termios.TCSANOW, termios.tcgetattr(0))
        _copy_size(ours)
        started = start(theirs)
    finally:
        os.close(theirs)
    with _raw(), _following_size(ours):
        _relay(ours)
    os.close(ours)
    return started


def _relay(ours: int) -> None:
    """Pass on bytes in both directions until the other terminal is closed by all who have it.

    What a program prints is shown also while it takes nothing of what is typed: it may take that
    only once its output is taken.
    """
    os.set_blocking(ours, False)
    typed = b""
    while True:
        readers, writers = ([ours], [ours]) if typed else ([0, ours], [])
        ready, free, _ = select.select(readers, writers, ())
        if ours in ready and (shown := _read(ours)) is not None:
            if not shown:
                return
            _write(1, shown)
        if free:
            typed = _rest_of(ours, typed)
        elif 0 in ready:
            typed = _read(0) or b""
            if not typed:
                return  # the operator's terminal is gone, and with it this one


def _rest_of(ours: int, typed: bytes) -> bytes:
    """Pass on as much as there is room for; return the rest."""
    try:
        return typed[os.write(ours, typed) :]
    except BlockingIOError:
        return typed


def _read(descriptor: int) -> bytes | None:
    """Return the next bytes; None if there are none now, no bytes once the other end is closed."""
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return None
    except OSError:  # EIO: the other end is closed
        return b""


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def _raw() -> Iterator[None]:
    """Let the operator's terminal pass every key on as it is."""
    try:
        before = termios.tcgetattr(0)
    except termios.error:
        yield
        return
    tty.setraw(0, termios.TCSADRAIN)
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def _following_size(ours: int) -> Iterator[None]:
    """Give the other terminal the size of the operator's whenever that changes."""

    def changed(number: int, frame: Any) -> None:
        _copy_size(ours)

    before = signal.signal(signal.SIGWINCH, changed)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _copy_size(ours: int) -> None:
    with suppress(OSError):
        fcntl.ioctl(ours, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))
