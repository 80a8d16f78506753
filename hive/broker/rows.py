"""From a message to the row of the wire that delivers it."""

from __future__ import annotations

from hive.clock import rfc3339
from hive.store import Message, MessageKind
from hive.wire.rows import Delivery

PRIORITIES = {-1: "high", 0: None, 1: "low"}
"""Names of ranks on the wire; the usual one is left out."""

_PLAIN = MessageKind.MESSAGE


def message_row(message: Message, body: str, lease: str) -> Delivery:
    """Return a leased message as `recv` answers it."""
    kind = message.kind
    return Delivery(
        message.id,
        message.sender,
        body,
        rfc3339(message.sent_at),
        message.attempts,
        message.deliveries > 1,
        lease,
        message.sender_kind,
        message.in_reply_to,
        message.label,
        message.thread,
        PRIORITIES[message.priority],
        None if kind is _PLAIN else kind,
    )
