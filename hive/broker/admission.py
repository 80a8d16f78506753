"""Admission of messages: sizes, limits, rates and dedupe keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec
from attrs import define, field

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
from hive.store.messages import UsedKey
from hive.wire.rows import Stored

Owner = tuple[str, str]
"""Sender and dedupe key."""


def size_of(body: str, limits: Limits) -> int:
    """Return the bytes of a body in UTF-8, checked against the limit.

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


def no_message_error(number: int, name: str) -> NotFoundError:
    """Return the refusal of a reply; it does not say whether others have a message of that id."""
    return NotFoundError(
        f"there is no message {number} to or from {name!r} to reply to; nothing was stored"
    )


def require_sent(number: int | None, last_id: int) -> None:
    """Require that the message that is replied to has existed.

    Raises:
        NotFoundError: No message has had that id.
    """
    if number is not None and not 0 < number <= last_id:
        raise NotFoundError(f"there is no message {number} to reply to; nothing was stored")


def require_room(inbox: Inbox, size: int, limits: Limits, *, is_counted: bool) -> None:
    """Require room in an inbox for one more message.

    Args:
        inbox: The inbox of the recipient.
        size: Bytes of the message's body.
        limits: The limits of an inbox.
        is_counted: Whether the number of messages is limited for this sender; not so for the
            operator and the system.

    Raises:
        InboxFullError: The inbox is full; the error has the numbers.
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
    """Take a token for a message of a participant.

    The bucket holds `limit` tokens and fills up within a minute.

    Args:
        sender: The inbox of the sender, which holds its bucket.
        limit: Messages of one sender within a minute.
        now: Monotonic seconds.

    Raises:
        RateLimitedError: The bucket is empty; the error says when the next token is there.
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
    """Return the token of a message that was not stored."""
    if sender.tokens is not None:
        sender.tokens += 1


@define(eq=False)
class DedupeKeys:
    """The answers to messages with a dedupe key, for as long as the window lasts.

    Attributes:
        window: Seconds for which a key counts.
    """

    window: float
    _sent: dict[Owner, Stored] = field(factory=dict, init=False)
    _order: deque[tuple[float, Owner]] = field(factory=deque, init=False)

    def find(self, sender: str, key: str, now: float) -> Stored | None:
        """Return the answer to the first message with a key, marked as a duplicate; else None."""
        while self._order and self._order[0][0] <= now - self.window:
            self._sent.pop(self._order.popleft()[1], None)
        found = self._sent.get((sender, key))
        return None if found is None else msgspec.structs.replace(found, duplicate=True)

    def record(self, sender: str, key: str, sent: Stored, now: float) -> None:
        """Record the answer to a message with a key; `now` is wall seconds."""
        self._sent[sender, key] = sent
        self._order.append((now, (sender, key)))

    def load(self, used: Iterable[UsedKey]) -> None:
        """Replace all keys by these, which are in the order of message ids."""
        self._sent.clear()
        self._order.clear()
        for each in used:
            owner = each.sender, each.key
            before = self._sent.get(owner)
            if before is None:
                stored = Stored(ok=True, id=each.id, recipients=(each.inbox,))
                self.record(*owner, stored, each.sent_at)
            else:
                before.recipients = (*before.recipients, each.inbox)
