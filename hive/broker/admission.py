"""What a sender may store, and how fast: refused with the exact numbers."""

from __future__ import annotations

from hive.broker.inboxes import Inbox
from hive.clock import MINUTE
from hive.config import Limits
from hive.errors import (
    BadRequestError,
    InboxFullError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
)


def size_of(body: str, limits: Limits) -> int:
    """Return the bytes of a body in UTF-8, if it may have that many.

    Raises:
        BadRequestError: When it is not valid Unicode.
        TooLargeError: When it is over the limit.
    """
    size = len(body) if body.isascii() else require_text(body)
    if size > limits.body_bytes:
        raise TooLargeError(
            f"the body has {size} bytes, the limit is {limits.body_bytes}; nothing was stored: "
            "put it into a file and send its path"
        )
    return size


def require_text(text: str) -> int:
    """Return the bytes of a text in UTF-8.

    Raises:
        BadRequestError: When it is not valid Unicode.
    """
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise BadRequestError(
            f"the text is not valid Unicode at character {error.start} ({error.reason}); "
            "nothing was stored"
        ) from None


def require_sent(number: int | None, last_id: int) -> None:
    """Refuse to answer a message that never was.

    Raises:
        NotFoundError: There was none of that number.
    """
    if number is not None and not 0 < number <= last_id:
        raise NotFoundError(f"there is no message {number} to reply to; nothing was stored")


def require_room(inbox: Inbox, size: int, limits: Limits, *, is_counted: bool) -> None:
    """Refuse one more message of that size if an inbox cannot take it.

    Args:
        inbox: Where it would go.
        size: Bytes of its body.
        limits: What an inbox may hold.
        is_counted: Whether the sender's messages are; those of the operator and the system are not.

    Raises:
        InboxFullError: With the numbers.
    """
    if is_counted and inbox.stored + inbox.leased >= limits.inbox_messages:
        raise InboxFullError(
            f"the inbox of {inbox.name!r} is full: {inbox.unread} of {limits.inbox_messages} "
            "messages are unread; nothing was stored, so send again when some are read"
        )
    if inbox.size + size > limits.inbox_bytes:
        raise InboxFullError(
            f"the inbox of {inbox.name!r} is full: {inbox.size} of {limits.inbox_bytes} bytes are "
            f"taken and this message has {size}; nothing was stored, so send again when some "
            "are read"
        )


def spend(sender: Inbox, limit: int, now: float) -> None:
    """Count a message of a participant, or refuse it if that was too fast.

    A token bucket that holds `limit` messages and fills up within a minute.

    Args:
        sender: Whose message it is.
        limit: Messages of one sender within a minute.
        now: Monotonic seconds.

    Raises:
        RateLimitedError: With the numbers, and when a message is possible again.
    """
    left = sender.tokens
    if left is None:
        left = limit
    else:
        left += (now - sender.tokens_at) * limit / MINUTE
        left = min(left, limit)
    if left < 1:
        wait = (1 - left) * MINUTE / limit
        raise RateLimitedError(
            f"{sender.name!r} has sent {limit} messages within a minute and {limit} are "
            f"allowed; nothing was stored: the next one is possible in {wait:.1f} s"
        )
    sender.tokens, sender.tokens_at = left - 1, now


def give_back(sender: Inbox) -> None:
    """Count the last message less: it was not stored."""
    if sender.tokens is not None:
        sender.tokens += 1
