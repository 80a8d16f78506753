"""Standard input, output and error, as whoever started a program has left them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from hive.errors import FailedError

_STANDARD = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def hold_standard() -> None:
    """Put the null device where standard input, output or error was closed.

    A file that is opened later would get its number otherwise: output would be written into it, and
    libuv ends a process that closes it. In the order of their numbers, since a file that is opened
    gets the lowest number that is free, see open(2).
    """
    for name, mode in _STANDARD:
        if getattr(sys, name) is None:
            held = Path(os.devnull).open(mode)  # noqa: SIM115  # for as long as the program runs
            os.set_inheritable(held.fileno(), True)
            setattr(sys, name, held)


def drop_output() -> None:
    """Give standard output somewhere to go: the interpreter flushes it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output_refused(error: OSError) -> NoReturn:
    """Give up on an output that cannot be written.

    Raises:
        FailedError: In any case; what was asked for is done, only its output is lost.
    """
    drop_output()
    raise FailedError(
        f"the output cannot be written: {error.strerror}; what was asked for is done all the same"
    ) from None
