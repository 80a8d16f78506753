"""The settings of a terminal that a live view depends on."""

from __future__ import annotations

import contextlib
import termios
from collections.abc import Iterator
from typing import TextIO

_LOCAL_MODES = 3
"""Place of the local modes among the attributes, see termios(3)."""


@contextlib.contextmanager
def hide_control_echo(stream: TextIO | None) -> Iterator[None]:
    """Let the terminal of a stream echo no `^C`: it would move the picture that is repainted.

    All other input is echoed as before. Does nothing if the stream is no terminal.
    """
    try:
        descriptor = -1 if stream is None else stream.fileno()
        before = termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):
        yield
        return
    after = [*before]
    after[_LOCAL_MODES] &= ~termios.ECHOCTL
    with contextlib.suppress(termios.error):
        termios.tcsetattr(descriptor, termios.TCSANOW, after)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it may be closed by now
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
