"""Text for a terminal: escapes for text from agents, glyphs by encoding, times in words.

A body, a name or a reason comes from a program that may be compromised. Printed as it is, it could
move the cursor, rewrite earlier lines, set the window title, or reorder the text (bidirectional
overrides, CVE-2021-42574). Every character that does not print as itself is shown as an escape.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

UNKNOWN = "-"
"""Shown in place of an unknown value."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0 with ESC, DEL, C1 with the one-byte CSI
    "\xad\u200b\u200c\u2060-\u2064\ufeff"  # invisible; the joiner of emoji, U+200D, stays
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # change the direction of the text
    "\u2028\u2029"  # line breaks that are not newlines
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # annotations and tags, invisible too
    "\ud800-\udfff"  # surrogates: bytes that were not valid UTF-8
    "]"
)


class Glyphs(NamedTuple):
    """One set of glyphs; `marks` are by `Urgency`, in its order.

    No glyph has a meaning alone: each comes with a word.
    """

    marks: tuple[str, str, str, str, str]
    branch: str
    last_branch: str
    trunk: str
    gap: str
    ellipsis: str


UNICODE = Glyphs(("✖", "!", "●", "○", "◇"), "├── ", "└── ", "│   ", "    ", "…")
ASCII = Glyphs(("x", "!", "*", "o", "-"), "|-- ", "`-- ", "|   ", "    ", "...")


def for_encoding(encoding: str | None) -> Glyphs:
    """Return the glyphs that an output of this encoding can show."""
    try:
        "".join((*UNICODE.marks, *UNICODE[1:])).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def inline(text: object) -> str:
    """Return a value as one line that prints as itself."""
    return _UNSAFE.sub(_escape, str(text))


def block(text: str) -> list[str]:
    """Return the lines of a text, each printing as itself; newlines and tabs keep their meaning."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return [inline(line.expandtabs()) for line in lines]


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()


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
