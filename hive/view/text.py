"""Text for a terminal: glyphs by encoding, times in words."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Mapping
from datetime import datetime

from hive.escapes import inline

UNKNOWN = "-"
"""Shown in place of an unknown value."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class Glyphs(namedtuple("Glyphs", "marks branch last_branch trunk gap ellipsis")):
    """One set of glyphs; `marks` are by `Urgency`, in its order.

    No glyph has a meaning alone: each comes with a word.
    """

    __slots__ = ()

    marks: tuple[str, str, str, str, str]
    branch: str
    last_branch: str
    trunk: str
    gap: str
    ellipsis: str


UNICODE = Glyphs(("✖", "!", "●", "○", "◇"), "├── ", "└── ", "│   ", "    ", "…")
ASCII = Glyphs(("x", "!", "*", "o", "-"), "|-- ", "`-- ", "|   ", "    ", "...")


def for_encoding(encoding: str | None, environ: Mapping[str, str] = os.environ) -> Glyphs:
    """Return the glyphs that an output of this encoding can show.

    Args:
        encoding: The encoding of the output, as Python sees it.
        environ: The environment. LC_ALL=C asks for ASCII, although Python writes UTF-8 then.
    """
    if environ.get("LC_ALL") in {"C", "POSIX"}:
        return ASCII
    try:
        "".join((*UNICODE.marks, *UNICODE[1:])).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def seconds(stamp: str | None) -> float | None:
    """Return an RFC 3339 time as seconds since the epoch, None if it is absent or not one."""
    if not stamp:
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    # A time without an offset has no known zone.
    return moment.timestamp() if moment.tzinfo else None


def span(duration: float) -> str:
    """Return a duration in seconds in its largest unit: `4m`, `3h`; a negative one as `0s`."""
    whole = max(0, int(duration))
    for size, unit in _UNITS:
        if whole >= size:
            return f"{whole // size}{unit}"
    return "0s"


def age(stamp: str | None, now: float) -> str:
    """Return how long ago a time was, or `-` if it is unknown."""
    then = seconds(stamp)
    return UNKNOWN if then is None else span(now - then)


def until(stamp: str | None, now: float) -> str:
    """Return how soon a time will be, or `-` if it is unknown."""
    then = seconds(stamp)
    return UNKNOWN if then is None else span(then - now)


def due(stamp: str | None, now: float) -> str:
    """Return when something that is due at a time will happen: `in 5m`, or `now` if it is over."""
    then = seconds(stamp)
    return "now" if then is not None and then <= now else f"in {until(stamp, now)}"


def moment(stamp: str | None, now: float) -> str:
    """Return a time with how long ago it was, or how soon it will be; `-` if it is unknown.

    It is the one form of a time where an output has both, and the `Z` says that it is UTC.
    """
    then = seconds(stamp)
    if then is None:
        return UNKNOWN
    away = f"in {span(then - now)}" if then > now else f"{span(now - then)} ago"
    return f"{away} ({inline(stamp)})"
