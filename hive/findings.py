"""Findings: the results of the checks of `doctor`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from attrs import frozen


class Verdict(StrEnum):
    """Verdict of a finding, from good to bad; a note only informs."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@frozen
class Finding:
    """The result of one check.

    Attributes:
        check: Name of the check, one word.
        verdict: Whether the result is good.
        sentence: What the check found.
        remedy: What to do; empty if nothing. That of a note is optional.
        removable: Generated files that are safe to remove; `--fix` removes them.
        commands: Commands that are safe to run after that; `--fix` runs them.
    """

    check: str
    verdict: Verdict
    sentence: str
    remedy: str = ""
    removable: tuple[Path, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
