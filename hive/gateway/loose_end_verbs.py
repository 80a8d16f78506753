"""Questions, reminders and what else is open, as a participant's socket answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hive.broker import requests
from hive.broker.router import Router
from hive.clock import Clock, rfc3339
from hive.gateway.answers import Answer, Fields, later
from hive.names import OPERATOR
from hive.participants.members import Member
from hive.store import Message, Origin
from hive.store.questions import Question
from hive.wire import collaboration as wire
from hive.wire.base import Request
from hive.wire.rows import QuestionRow, ReminderRow


class LooseEndVerbs:
    """The verbs of one connection that are about what is open."""

    def __init__(self, member: Member, origin: Origin, router: Router, clock: Clock) -> None:
        self._member = member
        self._origin = origin
        self._router = router
        self._clock = clock
        self.table: Mapping[type[Request], Callable[[Any], Answer]] = {
            wire.Ask: self._ask,
            wire.Answer: self._answer,
            wire.Remind: self._remind,
            wire.LooseEnds: self._loose_ends,
            wire.Cancel: self._cancel,
        }

    def _ask(self, request: wire.Ask) -> Answer:
        asked = requests.Ask(
            self._member.name,
            self._member.record.kind,
            request.to or OPERATOR,
            request.question,
            tuple(request.options),
            request.multi,
            request.ttl_seconds,
            request.on_expiry,
            self._origin,
        )
        return later(self._router.ask(asked), id_fields)

    def _answer(self, request: wire.Answer) -> Answer:
        name, kind = self._member.name, self._member.record.kind
        answer = requests.AnswerQuestion(request.id, name, kind, request.answer, self._origin)
        return later(self._router.answer(answer), lambda _: {})

    def _remind(self, request: wire.Remind) -> Answer:
        reminder = requests.Remind(
            self._member.name,
            request.message,
            request.delay_seconds,
            request.at_unix_timestamp,
            self._origin,
        )
        return later(self._router.remind(reminder), id_fields)

    async def _loose_ends(self, request: wire.LooseEnds) -> Fields:
        name, now = self._member.name, self._clock.now()
        questions, reminders = await self._router.loose_ends(name)
        return {
            "questions_asked": [question_row(q, now) for q in questions if q.asker == name],
            "questions_to_answer": [question_row(q, now) for q in questions if q.target == name],
            "reminders": [reminder_row(message, now) for message in reminders],
        }

    def _cancel(self, request: wire.Cancel) -> Answer:
        cancelled = self._router.cancel(self._member.name, request.kind, request.id)
        return later(cancelled, lambda _: {})


def id_fields(number: int) -> Fields:
    """Return the fields that answer what was given a number."""
    return {"id": number}


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
