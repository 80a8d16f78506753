"""What the programs say on standard error: each sentence after the name of the program."""

from __future__ import annotations

from hive.escapes import inline
from hive.stdio import write_error


class RunningProgram:
    """The program that runs: one in each process, known at its start.

    Attributes:
        name: What it is called in texts.
    """

    name = "hive-ag3nt"


def complain(sentence: str) -> None:
    """Print one sentence to standard error, after the name of the program."""
    write_error(f"{RunningProgram.name}: {inline(sentence)}\n")
