"""The life of a question.

    open --overdue--> expired | held | escalated        (as its asker wished)
    open, held, escalated --answer--> answered
    open, held, escalated --cancel--> cancelled

One table for all of it, one method for each arrow. Each adds the question to the effects, so that
its row is written. No I/O, no clock, no futures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import define, field

from hive.broker.deadlines import Deadlines
from hive.broker.messages import MessageTable
from hive.names import OPERATOR
from hive.store.questions import Question, QuestionState
from hive.wire.enums import OnExpiry

WHEN_OVERDUE: Mapping[tuple[OnExpiry, bool], QuestionState] = {
    (OnExpiry.DENY, False): QuestionState.EXPIRED,
    (OnExpiry.DENY, True): QuestionState.EXPIRED,
    (OnExpiry.HOLD, False): QuestionState.HELD,
    (OnExpiry.HOLD, True): QuestionState.HELD,
    (OnExpiry.ESCALATE, False): QuestionState.ESCALATED,
    (OnExpiry.ESCALATE, True): QuestionState.HELD,
}
"""What becomes of a question whose time is over, by what its asker wished and whether it was put to
the operator, above whom there is nobody."""

ENDS = frozenset({QuestionState.ANSWERED, QuestionState.EXPIRED, QuestionState.CANCELLED})


@define(eq=False)
class Questions:
    """The questions that are not at their end.

    Attributes:
        table: Whose effects their rows join.
        open: By id, in the order in which they were asked.
    """

    table: MessageTable
    open: dict[int, Question] = field(factory=dict, init=False)
    _overdue: Deadlines[int] = field(factory=Deadlines, init=False)

    def put(self, question: Question) -> None:
        """Take in a new question."""
        self._hold(question)
        self._write(question)

    def answer(self, question: Question, by: str, text: str, now: float) -> None:
        """Note what was answered, and by whom; `now` is wall seconds."""
        question.answer = text
        self._end(question, QuestionState.ANSWERED, by, now)

    def cancel(self, question: Question, by: str, now: float) -> None:
        """Note that a question was taken back."""
        self._end(question, QuestionState.CANCELLED, by, now)

    def pop_overdue(self, now: float) -> list[Question]:
        """Move every question on whose time is over; return them, earliest first."""
        due = [self.open[number] for number in self._overdue.pop_due(now)]
        for question in due:
            state = WHEN_OVERDUE[question.on_expiry, question.target == OPERATOR]
            if state in ENDS:
                self._end(question, state, None, now)
            else:
                question.state = state
                self._write(question)
        return due

    def next_overdue(self) -> float | None:
        """Return the wall time at which the next question is overdue, None for never."""
        return self._overdue.next()

    def asked_by(self, name: str) -> int:
        """Return how many open questions a participant has asked."""
        return sum(question.asker == name for question in self.open.values())

    def load(self, found: Iterable[Question]) -> None:
        """Forget everything and hold these instead."""
        self.open.clear()
        self._overdue.clear()
        for question in found:
            self._hold(question)

    def _write(self, question: Question) -> None:
        self.table.effects.questions[question.id] = question

    def _hold(self, question: Question) -> None:
        self.open[question.id] = question
        if question.state is QuestionState.OPEN and question.expires_at is not None:
            self._overdue.set(question.id, question.expires_at)

    def _end(self, question: Question, state: QuestionState, by: str | None, now: float) -> None:
        question.state = state
        question.ended_by = by
        question.ended_at = now
        self._overdue.discard(question.id)
        del self.open[question.id]
        self._write(question)
