"""What a participant leaves open: its questions and reminders."""

from __future__ import annotations

from hive.clock import rfc3339
from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.agent import ParticipantConnection
from hive.store import Message
from hive.store.questions import Question
from hive.wire import questions as wire
from hive.wire.rows import QuestionRow, ReminderRow


class QuestionHandlers(ParticipantConnection):
    """The verb that shows what is open."""

    __slots__ = ()

    @serves(wire.ListLooseEnds)
    async def _loose_ends(self, request: wire.ListLooseEnds) -> Fields:
        name, now = self.participant.name, self.services.clock.now()
        questions, reminders = await self.services.mail.open_questions_of(name)
        return {
            "questions_asked": [question_row(q, now) for q in questions if q.asker == name],
            "questions_to_answer": [question_row(q, now) for q in questions if q.target == name],
            "reminders": [reminder_row(message, now) for message in reminders],
        }


def question_row(question: Question, now: float) -> QuestionRow:
    """Return a question as it is shown at the wall time `now`."""
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
    """Return a reminder as it is shown at the wall time `now`."""
    return ReminderRow(
        id=message.id,
        message=message.body or "",
        set_at=rfc3339(message.sent_at),
        age_seconds=round(max(0.0, now - message.sent_at), 3),
        due_at=rfc3339(message.not_before or message.sent_at),
    )
