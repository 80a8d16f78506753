"""Run programs that only read. Blocking."""

from __future__ import annotations

import subprocess

_TIMEOUT = 10.0
"""Seconds that a program has to answer."""


def output(*argv: str) -> str | None:
    """Return the output of a program; None if it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
