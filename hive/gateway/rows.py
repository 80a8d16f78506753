"""From messages to the rows by which somebody who only looks sees them."""

from __future__ import annotations

from collections.abc import Iterable

from hive.broker.effects import PRIORITIES
from hive.clock import rfc3339
from hive.store import Message, MessageKind, Receipt
from hive.wire.rows import InboxRow, ReceiptRow, StepRow


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
        priority=PRIORITIES[entry.priority],
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
            session=each.session_name,
            reason=each.reason,
        )
        for each in steps
    ]


def receipt_row(message: Message, steps: Iterable[Receipt]) -> ReceiptRow:
    """Return what became of a message, for its sender."""
    return ReceiptRow(
        id=message.id, to=message.inbox, state=message.state.value, steps=step_rows(steps)
    )


def _type(kind: MessageKind) -> str | None:
    """Return what a message is, if it is anything but plain mail."""
    return None if kind is MessageKind.MESSAGE else kind.value


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
