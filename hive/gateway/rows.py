"""From the broker's values to the rows of the wire."""

from __future__ import annotations

from hive.broker.values import Delivery
from hive.clock import rfc3339
from hive.store import Message
from hive.wire.rows import InboxRow, MessageRow


def message_row(delivery: Delivery) -> MessageRow:
    """Return a leased message as `recv` answers it."""
    return MessageRow(
        id=delivery.id,
        sender=delivery.sender,
        body=delivery.body,
        sent_at=rfc3339(delivery.sent_at),
        attempt=delivery.attempt,
        redelivered=delivery.redelivered,
        lease=delivery.lease,
        kind=delivery.sender_kind.value,
        in_reply_to=delivery.in_reply_to,
        label=delivery.label,
    )


def inbox_row(entry: Message) -> InboxRow:
    """Return a message as somebody who only looks sees it."""
    return InboxRow(
        id=entry.id,
        sender=entry.sender,
        to=entry.inbox,
        body=entry.body or "",
        sent_at=rfc3339(entry.sent_at),
        state=entry.state.value,
        attempt=entry.attempts,
        kind=entry.sender_kind.value,
        in_reply_to=entry.in_reply_to,
        label=entry.label,
        reason=entry.reason,
    )
