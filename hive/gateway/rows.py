"""Rows of the wire for messages, questions, reminders and turns that are shown."""

from __future__ import annotations

from collections.abc import Iterable

from hive.broker.values import PRIORITIES
from hive.clock import rfc3339
from hive.participants.turn_feed import TurnEvent
from hive.store import Message, MessageKind, Receipt
from hive.store.questions import Question
from hive.wire.harness import TurnRecord
from hive.wire.rows import InboxRow, LiveRow, QuestionRow, ReceiptRow, ReminderRow, StepRow, TurnRow


def inbox_row(entry: Message, body_max: int | None = None) -> InboxRow:
    """Return the row of a message that is shown without a lease.

    Args:
        entry: The message.
        body_max: Characters after which its body is cut; None for the whole body.
    """
    body = entry.body or ""
    is_cut = body_max is not None and len(body) > body_max
    return InboxRow(
        id=entry.id,
        sender=entry.sender,
        to=entry.inbox,
        body=body[:body_max],
        body_length=len(body) if is_cut else None,
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
    """Return the rows of a message's trace."""
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
    """Return the trace of a message for its sender."""
    return ReceiptRow(
        id=message.id, to=message.inbox, state=message.state.value, steps=step_rows(steps)
    )


def question_row(question: Question, now: float) -> QuestionRow:
    """Return the row of a question at the wall time `now`."""
    return QuestionRow(
        id=question.id,
        asker=question.asker,
        to=question.target,
        question=question.text,
        options=list(question.options),
        multi=question.multi,
        state=question.state.value,
        asked_at=rfc3339(question.asked_at),
        age_seconds=round(max(0.0, now - question.asked_at), 3),
        on_expiry=question.on_expiry.value,
        expires_at=None if question.expires_at is None else rfc3339(question.expires_at),
        answer=question.answer,
        answered_by=question.ended_by if question.answer is not None else None,
        ended_at=None if question.ended_at is None else rfc3339(question.ended_at),
    )


def reminder_row(message: Message, now: float) -> ReminderRow:
    """Return the row of a reminder at the wall time `now`."""
    return ReminderRow(
        id=message.id,
        message=message.body or "",
        set_at=rfc3339(message.sent_at),
        age_seconds=round(max(0.0, now - message.sent_at), 3),
        due_at=rfc3339(message.not_before or message.sent_at),
    )


def turn_row(name: str, number: int, record: TurnRecord) -> TurnRow:
    """Return the row of a finished turn of a participant."""
    return TurnRow(
        id=number,
        name=name,
        started_at=rfc3339(record.started_at),
        ended_at=rfc3339(record.ended_at),
        seconds=round(record.ended_at - record.started_at, 3),
        wake=record.wake,
        outcome=record.outcome.value,
        model=record.model,
        messages=list(record.messages),
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        cache_read_tokens=record.cache_read_tokens,
        cache_write_tokens=record.cache_write_tokens,
        cost_usd=record.cost_usd,
        tools=dict(record.tools),
        note=record.note,
    )


def live_row(event: TurnEvent) -> LiveRow:
    """Return the row of an event of a turn."""
    return LiveRow(at=rfc3339(event.at), kind=event.kind.value, text=event.text)


def _type(kind: MessageKind) -> str | None:
    """Return the kind of a message as the wire has it; None for a plain message."""
    return None if kind is MessageKind.MESSAGE else kind.value


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
