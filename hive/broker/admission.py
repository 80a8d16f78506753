"""What a sender may store: sizes and counts, refused with the exact numbers."""

from __future__ import annotations

from typing import Any

from hive.broker.inbox import Inbox
from hive.broker.values import Draft
from hive.config import Limits
from hive.errors import BadRequestError, HiveError, InboxFullError, NotFoundError, TooLargeError
from hive.store import Kind

_EXEMPT_FROM_COUNT = frozenset({Kind.OPERATOR, Kind.SYSTEM})


def check_draft(draft: Draft, limits: Limits, last_id: int) -> int:
    """Return the size of a draft's body in bytes if it may be sent at all.

    Raises:
        BadRequestError: When its text is not valid Unicode.
        TooLargeError: When the body is over the limit.
        NotFoundError: When it answers a message that never was.
    """
    size = _size(draft.body)
    if draft.label is not None:
        _size(draft.label)
    if size > limits.body_bytes:
        raise TooLargeError(
            f"the body has {size} bytes, the limit is {limits.body_bytes}; nothing was stored: "
            "put it into a file and send its path"
        )
    if draft.in_reply_to is not None and not 0 < draft.in_reply_to <= last_id:
        raise NotFoundError(
            f"there is no message {draft.in_reply_to} to reply to; nothing was stored"
        )
    return size


def refusal(inbox: Inbox[Any], sender: Kind, size: int, limits: Limits) -> HiveError | None:
    """Return why an inbox cannot take one more message of that size, None if it can."""
    if inbox.unread >= limits.inbox_messages and sender not in _EXEMPT_FROM_COUNT:
        return InboxFullError(
            f"the inbox of {inbox.name!r} is full: {inbox.unread} of {limits.inbox_messages} "
            "messages are unread; nothing was stored, so send again when some are read"
        )
    if inbox.size + size > limits.inbox_bytes:
        return InboxFullError(
            f"the inbox of {inbox.name!r} is full: {inbox.size} of {limits.inbox_bytes} bytes are "
            f"taken and this message has {size}; nothing was stored, so send again when some "
            "are read"
        )
    return None


def _size(text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise BadRequestError(
            f"the text is not valid Unicode at character {error.start} ({error.reason}); "
            "nothing was stored"
        ) from None
