"""Standard input, output and error: closed descriptors and failed output."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from hive.errors import FailedError

DONE = "what was asked for is done all the same"
"""Consequence of lost output for most verbs."""

_STANDARD = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def reopen_closed_stdio() -> None:
    """Open the null device for each of standard input, output and error that is closed.

    Otherwise a file opened later would get its descriptor: output would be written into that file,
    and libuv aborts a process that closes the descriptor. The order is that of the descriptors,
    since open(2) returns the lowest free one.
    """
    for name, mode in _STANDARD:
        if getattr(sys, name) is None:
            null = Path(os.devnull).open(mode)  # noqa: SIM115  # stays open
            os.set_inheritable(null.fileno(), True)
            setattr(sys, name, null)


def discard_output() -> None:
    """Redirect standard output to the null device: the interpreter flushes it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
