"""Escapes for text that was written by others, before a person or a model reads it.

A body, a name or a reason comes from a program that may be compromised. Printed as it is, it could
move the cursor, rewrite earlier lines, set the window title, reorder the text (bidirectional
overrides, CVE-2021-42574), or begin a line that passes for one of the program that prints it. Every
character that does not print as itself is shown as an escape.
"""

from __future__ import annotations

import re

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


def inline(text: object) -> str:
    """Return a value as one line that prints as itself."""
    return _UNSAFE.sub(_escape, str(text))


def block(text: str) -> list[str]:
    """Return the lines of a text, each printing as itself; newlines and tabs keep their meaning."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return [inline(line.expandtabs()) for line in lines]


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()
