"""Rows of the wire for messages, approvals, questions, reminders and turns that are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hive.broker.values import PRIORITIES
from hive.clock import rfc3339
from hive.participants.turn_feed import TurnEvent
from hive.quantities import counted
from hive.status.answer_watch import AnswerProgress
from hive.store import Message, MessageKind, Receipt
from hive.store.approvals import Approval, ApprovalState
from hive.store.questions import Question
from hive.store.schedules import Schedule
from hive.store.timelines import TimelineEntry
from hive.store.usage import StoredTurn
from hive.wire.change_rows import ApprovalRow
from hive.wire.rows import (
    AnswerRow,
    HindranceRow,
    InboxRow,
    QuestionRow,
    ReceiptRow,
    ReminderRow,
    StepRow,
)
from hive.wire.schedules import ScheduleRow
from hive.wire.timeline_rows import TimelineRow
from hive.wire.turn_rows import SKIPPED, LiveRow, TurnRow


def inbox_row(entry: Message, length: int | None = None) -> InboxRow:
    """Return the row of a message that is shown without a lease.

    Args:
        entry: The message.
        length: Characters of its whole body, which may be cut; None if it is not.
    """
    body = entry.body or ""
    is_cut = length is not None and length > len(body)
    return InboxRow(
        id=entry.id,
        sender=entry.sender,
        to=entry.inbox,
        body=body,
        body_length=length if is_cut else None,
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


def progress_fields(progress: AnswerProgress) -> Mapping[str, object]:
    """Return what is new about messages whose answer is waited for, as fields of a response."""
    return {
        "answers": [
            AnswerRow(
                id=each.id,
                to=each.to,
                state=each.state,
                answer=None if each.answer is None else inbox_row(each.answer),
                reason=each.reason,
            )
            for each in progress.ended
        ],
        "hindrances": [
            HindranceRow(id=each.id, to=each.to, what=each.what) for each in progress.hindrances
        ],
    }


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


def timeline_row(entry: TimelineEntry) -> TimelineRow:
    """Return the row of something that happened to a participant."""
    return TimelineRow(
        at=rfc3339(entry.at),
        source=entry.source,
        number=entry.number,
        what=entry.what,
        detail=dict(entry.detail),
    )


def receipt_row(
    message: Message, steps: Iterable[Receipt], hindrance: str | None = None
) -> ReceiptRow:
    """Return the trace of a message for its sender, with what hinders the recipient."""
    return ReceiptRow(
        id=message.id,
        to=message.inbox,
        state=message.state.value,
        steps=step_rows(steps),
        hindrance=hindrance,
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


def turn_row(name: str, number: int, record: StoredTurn) -> TurnRow:
    """Return the row of a finished turn of a participant."""
    return TurnRow(
        id=number,
        name=name,
        started_at=rfc3339(record.started_at),
        ended_at=rfc3339(record.ended_at),
        seconds=round(record.seconds, 3),
        frozen_seconds=round(record.frozen_seconds, 3) or None,
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


def skipped_row(count: int, now: float) -> LiveRow:
    """Return the row in place of events that were dropped before the client took them."""
    text = f"{counted(count, 'event')} skipped: they came faster than they were read"
    return LiveRow(at=rfc3339(now), kind=SKIPPED, text=text)


def restarted_fields(not_in_force: Sequence[str]) -> Mapping[str, object]:
    """Return the response to a restart, with the keys that hive.toml has otherwise, if any."""
    return {"not_in_force": list(not_in_force)} if not_in_force else {}


def _type(kind: MessageKind) -> str | None:
    """Return the kind of a message as the wire has it; None for a plain message."""
    return None if kind is MessageKind.MESSAGE else kind.value


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)


def schedule_row(schedule: Schedule) -> ScheduleRow:
    """Return the row of a schedule."""
    has_sent = schedule.last_at > schedule.created_at
    return ScheduleRow(
        id=schedule.id,
        to=schedule.name,
        when=schedule.recurrence,
        timezone=schedule.timezone,
        body=schedule.body,
        description=schedule.description,
        requested_by=schedule.requested_by,
        approval=schedule.approval,
        created_at=rfc3339(schedule.created_at),
        last_at=rfc3339(schedule.last_at) if has_sent else None,
        next_at=rfc3339(schedule.next_at),
        ended_at=_time(schedule.ended_at),
    )


def approval_row(approval: Approval, now: float, content: str | None = None) -> ApprovalRow:
    """Return the row of an approval at the wall time `now`; `content` is what is asked for."""
    detail = approval.details
    is_held = approval.state is ApprovalState.HELD
    return ApprovalRow(
        id=approval.id,
        agent=approval.name,
        kind=approval.kind.value,
        commit_ref=approval.sha or "",
        fetched_sha=approval.sha,
        requested_at=rfc3339(approval.requested_at),
        status=(ApprovalState.PENDING if is_held else approval.state).value,
        resolved_at=_time(approval.ended_at),
        note=approval.note,
        description=approval.description,
        requested_by=approval.requested_by,
        age_seconds=round(max(0.0, now - approval.requested_at), 3),
        base=approval.base,
        subject=detail.get("subject"),
        author=detail.get("author"),
        expires_at=_time(approval.expires_at),
        on_expiry=approval.on_expiry.value,
        decided_at=_time(approval.decided_at),
        decided_by=approval.decided_by,
        error=approval.error,
        overdue=is_held or None,
        content=content,
        agents=detail.get("agents"),
    )
