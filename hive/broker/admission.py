"""Admission of messages: sizes, room in an inbox, deferral and rates."""

from __future__ import annotations

from hive.broker.inboxes import Inbox
from hive.clock import DAY, MINUTE, rfc3339
from hive.config import Limits
from hive.errors import (
    BadRequestError,
    InboxFullError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
)
from hive.quantities import counted
from hive.store import Kind

BURST = 0.25
"""Part of `rate_bytes` that may be sent at once: what is written together delays all others."""

WHOLE_SECOND = 1.0
"""Seconds by which a time of the present second, in whole seconds, may seem to be past."""


def size_of(body: str, limits: Limits) -> int:
    """Return the bytes of a body in UTF-8, checked against the limit.

    Raises:
        BadRequestError: When it is not valid Unicode.
        TooLargeError: When it is over the limit.
    """
    size = len(body) if body.isascii() else require_text(body)
    if size > limits.body_bytes:
        raise TooLargeError(
            f"the body has {counted(size, 'byte')}, the limit is {limits.body_bytes}; "
            "nothing was stored: put it into a file and send its path"
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


def require_room(inbox: Inbox, sender: str, size: int, limits: Limits) -> None:
    """Require room in an inbox for one more message of a participant.

    Args:
        inbox: The inbox of the recipient.
        sender: The sender as the message has it.
        size: Bytes of the message's body.
        limits: The limits of an inbox, and of one sender's share of it.

    Raises:
        InboxFullError: The inbox is full, or the share of the sender; the error has the numbers.
    """
    if inbox.stored + inbox.leased >= limits.inbox_messages:
        raise InboxFullError(
            f"the inbox of {inbox.name!r} is full: {inbox.unread} of "
            f"{counted(limits.inbox_messages, 'message')} unread; nothing was stored, so send "
            "again when some are read"
        )
    if inbox.size + size > limits.inbox_bytes:
        raise _no_bytes_error(inbox, size, limits.inbox_bytes)
    if sender in inbox.sent and (
        inbox.sent[sender] >= limits.sender_messages
        or inbox.sent_bytes[sender] + size > limits.sender_bytes
    ):
        raise _share_error(inbox, sender, size, limits)


def require_reserve(inbox: Inbox, kind: Kind, size: int, limits: Limits) -> None:
    """Require room in an inbox for one more message of the daemon or of the operator.

    Their number is not limited. Above the bytes that participants may fill the daemon has a
    reserve, and the operator another one above that: what participants send, or cause the daemon
    to send, leaves room for the operator.

    Args:
        inbox: The inbox of the recipient.
        kind: The kind of the sender.
        size: Bytes of the message's body.
        limits: The limits of an inbox.

    Raises:
        InboxFullError: The inbox is full, its reserve included; the error has the numbers.
    """
    reserves = 2 if kind is Kind.OPERATOR else 1
    most = limits.inbox_bytes + reserves * reserve_bytes(limits)
    if inbox.size + size > most:
        raise _no_bytes_error(inbox, size, most)


def reserve_bytes(limits: Limits) -> int:
    """Return the bytes of one reserve of an inbox: a quarter, and at least a body of full size."""
    return max(limits.inbox_bytes // 4, limits.body_bytes)


def _no_bytes_error(inbox: Inbox, size: int, most: int) -> InboxFullError:
    return InboxFullError(
        f"the inbox of {inbox.name!r} is full: {inbox.size} of {counted(most, 'byte')} taken, and "
        f"this message has {size}; nothing was stored, so send again when some are read"
    )


def _share_error(inbox: Inbox, sender: str, size: int, limits: Limits) -> InboxFullError:
    """Return the refusal of a message because of what its sender has in the inbox already."""
    count, taken = inbox.sent[sender], inbox.sent_bytes[sender]
    if count >= limits.sender_messages:
        what = f"{count} of {counted(limits.sender_messages, 'message')} unread"
    else:
        bytes_max = counted(limits.sender_bytes, "byte")
        what = f"{taken} of {bytes_max} unread, and this message has {size}"
    return InboxFullError(
        f"the share of {sender!r} of the inbox of {inbox.name!r} is full: {what}; "
        f"nothing was stored, so send again when {inbox.name!r} has read some of them"
    )


def require_to_come(not_before: float, now: float) -> None:
    """Require that a message is deferred to a time that is not past.

    Whoever names a past time has made a mistake, of a zone or of a day: a message at once is none.

    Args:
        not_before: Wall time before which it is not delivered.
        now: Wall seconds.

    Raises:
        BadRequestError: It is past by `WHOLE_SECOND` at least.
    """
    if not_before <= now - WHOLE_SECOND:
        raise BadRequestError(
            f"{rfc3339(not_before)} is past, it is {rfc3339(now)} now (both in UTC); nothing was "
            "stored: give a time to come, or a delay"
        )


def require_horizon(due: float, now: float, limits: Limits) -> None:
    """Require that a message is not deferred too far ahead.

    Args:
        due: Wall time before which it is not delivered.
        now: Wall seconds.
        limits: Has the horizon.

    Raises:
        BadRequestError: It would be due later; the error has the latest time that is allowed.
    """
    most = limits.deferred_horizon
    if due - now > most:
        raise BadRequestError(
            f"the message would be delivered in {due - now:.0f} s, and at most {most:.0f} s "
            f"({most / DAY:.1f} d) ahead are allowed, that is {rfc3339(now + most)}; nothing "
            "was stored"
        )


def require_deferrable(sender: str, deferred: int, limits: Limits) -> None:
    """Require that a sender may have one more deferred message.

    Args:
        sender: Name of the sender.
        deferred: Its deferred messages in all inboxes.
        limits: Has the limit.

    Raises:
        InboxFullError: It has as many as are allowed.
    """
    if deferred >= limits.deferred:
        raise InboxFullError(
            f"{sender!r} has {counted(deferred, 'deferred message')} in all inboxes, the limit "
            f"is {limits.deferred}; nothing was stored: send without a delay, cancel "
            "some, or wait until some are due"
        )


def spend(sender: Inbox, size: int, limits: Limits, now: float) -> None:
    """Take a token and the bytes of a message of a participant from its two buckets.

    A minute brings `rate` messages and `rate_bytes` bytes. A full bucket has all of those messages,
    but `BURST` of the bytes, and has room for a message of any size.

    Args:
        sender: The inbox of the sender, which holds its buckets.
        size: Bytes of the body, of all copies.
        limits: The limits of a sender.
        now: Monotonic seconds.

    Raises:
        RateLimitedError: A bucket is empty; the error says when it has enough again.
    """
    rate, rate_bytes = limits.rate, limits.rate_bytes
    burst = rate_bytes * BURST
    left, room = sender.tokens, sender.room
    if left is None:
        left, room = rate, burst
    else:
        minutes = (now - sender.tokens_at) / MINUTE
        left += minutes * rate
        room += minutes * rate_bytes
        left = min(left, rate)
        room = min(room, burst)
    if left < 1:
        wait = (1 - left) * MINUTE / rate
        raise RateLimitedError(
            f"{sender.name!r} has sent {counted(rate, 'message')} within a minute, the limit is "
            f"{rate}; nothing was stored: the next one is possible in {wait:.1f} s"
        )
    if room < size and room < burst:
        wait = (min(size, burst) - room) * MINUTE / rate_bytes
        raise RateLimitedError(
            f"{sender.name!r} may send {counted(rate_bytes, 'byte')} a minute ('rate_bytes' of "
            f"[limits]), {burst:.0f} of them at once; {max(0, int(room))} are left now and this "
            f"message has {size}; nothing was stored: it is possible in {wait:.1f} s"
        )
    sender.tokens, sender.room, sender.tokens_at = left - 1, room - size, now


def give_back(sender: Inbox, size: int) -> None:
    """Return the token and the bytes of a message that was not stored."""
    if sender.tokens is not None:
        sender.tokens += 1
        sender.room += size
