"""From a message to the row of the wire that delivers it."""

from __future__ import annotations

from hive.clock import rfc3339
from hive.store import Message, MessageKind
from hive.store.records import lease_name
from hive.wire.rows import Delivery

PRIORITIES = {-1: "high", 0: None, 1: "low"}
"""Names of ranks on the wire; the usual one is left out."""

_PLAIN = MessageKind.MESSAGE


def message_row(message: Message, body: str) -> Delivery:
    """Return a leased message as `recv` answers it."""
    kind = message.kind
    return Delivery(
        id=message.id,
        sender=message.sender,
        body=body,
        sent_at=rfc3339(message.sent_at),
        attempt=message.attempts,
        redelivered=message.deliveries > 1,
        lease=lease_name(message.lease),
        kind=message.sender_kind,
        in_reply_to=message.in_reply_to,
        label=message.label,
        thread=message.thread,
        priority=PRIORITIES[message.priority],
        type=None if kind is _PLAIN else kind,
    )
