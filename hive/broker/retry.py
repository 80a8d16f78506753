"""How often a message is tried, and how long it rests in between."""

from __future__ import annotations

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a message that failed is delivered again: after the first failure, and at most."""


def pause(attempt: int) -> float:
    """Return the seconds before the next delivery of a message whose attempt failed.

    Args:
        attempt: Number of the attempt that failed, from 1.
    """
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 1, 16))


def gave_up(attempts: int, most: int, reason: str) -> str | None:
    """Return why a message is not tried again, None if it is."""
    return f"gave up after attempt {attempts} of {most}: {reason}" if attempts >= most else None
