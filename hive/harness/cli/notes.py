"""What the programs say on standard error: each sentence after the name of the program."""

from __future__ import annotations

from contextvars import ContextVar

from hive.escapes import inline
from hive.stdio import write_error

PROGRAM = ContextVar("program", default="hive-ag3nt")
"""What the program that runs is called in texts."""


def complain(sentence: str) -> None:
    """Print one sentence to standard error, after the name of the program."""
    write_error(f"{PROGRAM.get()}: {inline(sentence)}\n")
