"""The few signs beyond letters, and what stands for them where only ASCII can be shown.

No sign carries a meaning alone: a word stands beside each.
"""

from __future__ import annotations

from typing import NamedTuple


class Glyphs(NamedTuple):
    """One set of signs. `marks` are by `Urgency`, in its order."""

    marks: tuple[str, str, str, str, str]
    branch: str
    last_branch: str
    trunk: str
    gap: str
    ellipsis: str


UNICODE = Glyphs(("✖", "!", "●", "○", "◇"), "├── ", "└── ", "│   ", "    ", "…")
ASCII = Glyphs(("x", "!", "*", "o", "-"), "|-- ", "`-- ", "|   ", "    ", "...")


def for_encoding(encoding: str | None) -> Glyphs:
    """Return the signs that an output of this encoding can show."""
    try:
        "".join((*UNICODE.marks, *UNICODE[1:])).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE
