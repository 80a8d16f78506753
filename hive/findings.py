"""What an examination says: one value for each thing that was looked at."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from attrs import frozen


class Verdict(StrEnum):
    """What is to be thought of it."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at, in a word.
        sentence: How it is.
        remedy: What to do; empty if nothing is to be done.
        removable: Generated files that can go without any harm; `--fix` removes them.
        commands: What can be run without any harm after that; `--fix` runs them.
    """

    check: str
    verdict: Verdict
    sentence: str
    remedy: str = ""
    removable: tuple[Path, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
