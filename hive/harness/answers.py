"""What becomes of a program's output, and who gets an answer at all."""

from __future__ import annotations

from hive.client.api import Delivery
from hive.harness.drivers import SavedText
from hive.names import REMINDER, SYSTEM

NOBODY = frozenset({SYSTEM, REMINDER})
"""Senders that have no inbox."""


def wants_answer(message: Delivery, me: str, *, to_replies: bool) -> bool:
    """Return whether an answer to this message is sent.

    Not to senders without an inbox and not to oneself. Not to a message that is an answer itself,
    unless asked for: two agents that answer everything would never end.
    """
    if message.sender in NOBODY or message.sender == me:
        return False
    return to_replies or message.in_reply_to is None


def text_of(output: bytes) -> str | None:
    """Return a program's output as a message's body; None if it printed nothing.

    Line ends at the end are dropped, as a shell's `$(…)` does. Bytes that are not UTF-8 are
    replaced, and the text says so.
    """
    try:
        text, note = output.decode(), ""
    except UnicodeDecodeError:
        text = output.decode(errors="replace")
        count = text.count("\N{REPLACEMENT CHARACTER}")
        note = f"\n[hive: {count} places that were not UTF-8 are replaced by U+FFFD]"
    text = text.rstrip("\r\n")
    return text + note if text else None


def too_long(saved: SavedText, me: str) -> str:
    """Return the body that stands in for an answer that is too long for a message."""
    return (
        f"[hive: the answer has {saved.size} bytes, more than a message may have. "
        f"Nothing was cut: the whole text is in {saved.path} at {me}.]"
    )
