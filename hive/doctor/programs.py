"""Asking the programs of this machine. Everything here blocks."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

_SECONDS = 10.0


def output(*argv: str) -> str | None:
    """Return what a program prints; None if it cannot say."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def show(keys: str, units: Sequence[str]) -> list[dict[str, str]]:
    """Return the properties of units, one mapping each; none if systemd does not answer."""
    printed = output("systemctl", "show", f"--property={keys}", "--", *units)
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in (printed or "").split("\n\n")
        if block.strip()
    ]
