"""From the broker's values to the rows of the wire."""

from __future__ import annotations

from collections.abc import Iterable

from hive.broker.values import Delivery
from hive.clock import rfc3339
from hive.store import Message, MessageKind, Priority, Receipt
from hive.wire.rows import Delivery as MessageRow
from hive.wire.rows import InboxRow, ReceiptRow, StepRow

_USUAL = int(Priority.NORMAL)


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
        kind=delivery.sender_kind,
        in_reply_to=delivery.in_reply_to,
        label=delivery.label,
        thread=delivery.thread,
        priority=_priority(delivery.priority),
        type=_type(delivery.kind),
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
        thread=entry.thread,
        priority=_priority(entry.priority),
        not_before=_time(entry.not_before),
        expires_at=_time(entry.expires_at),
        ended_at=_time(entry.ended_at),
        type=_type(entry.kind),
    )


def step_rows(steps: Iterable[Receipt]) -> list[StepRow]:
    """Return the steps of a message's life."""
    return [
        StepRow(
            step=each.step.value,
            at=rfc3339(each.at),
            attempt=each.attempt or None,
            session=each.session,
            reason=each.reason,
        )
        for each in steps
    ]


def receipt_row(message: Message, steps: Iterable[Receipt]) -> ReceiptRow:
    """Return what became of a message, for its sender."""
    return ReceiptRow(
        id=message.id, to=message.inbox, state=message.state.value, steps=step_rows(steps)
    )


def _priority(value: int) -> str | None:
    """Return the name of a priority; the usual one is left out."""
    return None if value == _USUAL else Priority(value).name.lower()


def _type(kind: MessageKind) -> str | None:
    """Return what a message is, if it is anything but plain mail."""
    return None if kind is MessageKind.MESSAGE else kind.value


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
