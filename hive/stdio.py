"""Standard input, output and error, as whoever started a program has left them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from hive.errors import FailedError

DONE = "what was asked for is done all the same"
"""What is so of most verbs whose output is lost."""

_STANDARD = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def reopen_closed_stdio() -> None:
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


def discard_output() -> None:
    """Give standard output somewhere to go: the interpreter flushes it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def raise_output_error(error: OSError, all_the_same: str = DONE) -> NoReturn:
    """Give up on an output that cannot be written.

    Args:
        error: Why it cannot.
        all_the_same: What is so nevertheless.

    Raises:
        FailedError: In any case.
    """
    discard_output()
    raise FailedError(f"the output cannot be written: {error.strerror}; {all_the_same}") from None
