"""Masks of signals in /proc."""

OF_THE_LIBRARY = 0b11 << 31
"""The signals 32 and 33, which the C library keeps to itself: a program that inherits them as
ignored cannot change that. See signal(7)."""


def ignored_in(mask: str) -> int:
    """Return a mask of /proc/PID/status without the signals of the C library."""
    return int(mask, 16) & ~OF_THE_LIBRARY
