"""Asking and answering: what questions do in the mail.

A question and its answer are messages, carried by the rules of delivery. A question's id is that of
the message that carries it. Everywhere here, `now` is the moment of the request.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from attrs import frozen

from hive.broker import addressing, requests
from hive.broker.news import News, NewsKind
from hive.broker.questions import Questions
from hive.broker.rules import Rules
from hive.broker.values import Draft, Moment, Receiver
from hive.clock import rfc3339
from hive.errors import (
    BadRequestError,
    ConflictError,
    HiveError,
    InboxFullError,
    NotAllowedError,
    NotFoundError,
)
from hive.names import OPERATOR, QUEUE_PREFIX, SYSTEM
from hive.store import Kind, MessageKind
from hive.store.questions import Question, QuestionState, one
from hive.store.unit import Op
from hive.wire.words import OnExpiry

R = TypeVar("R", bound=Receiver)

OPEN_MAX = 50
"""Most open questions of one participant."""

EXPIRED = "[expired]"
"""The answer to a question that nobody answered in time."""


@frozen
class Gone:
    """A request about something that is not in memory: the disk knows why it is refused."""

    why: Op[HiveError]


class Asking(Generic[R]):
    """Decides about questions, in memory; what it changes is written afterwards.

    Args:
        rules: The rules of delivery.
    """

    def __init__(self, rules: Rules[R]) -> None:
        self._rules = rules
        self.questions = Questions()

    def ask(self, request: requests.Ask, now: Moment) -> int:
        """Put a question to somebody and return its id.

        Raises:
            HiveError: When nothing was stored, with the reason.
        """
        target = self._target(request)
        draft = Draft(
            request.asker,
            request.asker_kind,
            target,
            question_text(request.question, request.options, multi=request.multi),
            kind=MessageKind.QUESTION,
            origin=request.origin,
        )
        number = self._rules.send(draft, now).ids[0]
        expires = None if request.ttl is None else now.wall + request.ttl
        question = Question(
            number,
            request.asker,
            target,
            request.question,
            request.options,
            request.multi,
            request.on_expiry,
            now.wall,
            expires,
        )
        self.questions.put(question)
        return number

    def _target(self, request: requests.Ask) -> str:
        """Return whom a question is put to, if that makes sense."""
        target = addressing.one(request.to, self._rules.mail.inboxes)
        if target == request.asker or target.startswith(QUEUE_PREFIX):
            whom = "yourself" if target == request.asker else "a work queue"
            raise BadRequestError(
                f"{request.to!r} is {whom}, and a question needs somebody else who can answer it; "
                "nothing was stored"
            )
        if self.questions.asked_by(request.asker) >= OPEN_MAX:
            raise InboxFullError(
                f"{request.asker!r} has {OPEN_MAX} open questions and {OPEN_MAX} are allowed; "
                "nothing was stored: cancel some, or wait for answers"
            )
        return target

    def answer(self, request: requests.AnswerQuestion, now: Moment) -> Gone | None:
        """Send an answer to whoever asked.

        Raises:
            HiveError: When nothing was stored, with the reason.
        """
        question = self.questions.open.get(request.id)
        if question is None:
            return Gone(_why_no_answer(request.id))
        if request.by != question.target and request.kind is not Kind.OPERATOR:
            raise NotAllowedError(
                f"question {question.id} was put to {question.target!r}; only {question.target!r} "
                "and the operator may answer it"
            )
        answer = Draft(
            request.by,
            request.kind,
            question.asker,
            request.text,
            in_reply_to=question.id,
            kind=MessageKind.ANSWER,
            origin=request.origin,
        )
        self._rules.send(answer, now)
        self.questions.answer(question, request.by, request.text, now.wall)
        self._take_back(question, f"question {question.id} was answered by {request.by}", now)
        return None

    def cancel(self, request: requests.Cancel, now: Moment) -> Gone | None:
        """Take a question back; whoever has read it already is told.

        Raises:
            NotAllowedError: It is somebody else's.
        """
        question = self.questions.open.get(request.id)
        if question is None:
            return Gone(_why_no_answer(request.id))
        if question.asker != request.name:
            raise NotAllowedError(
                f"question {question.id} is {question.asker!r}'s; only its asker may cancel it"
            )
        self.questions.cancel(question, request.name, now.wall)
        if not self._take_back(question, f"question {question.id} was cancelled", now):
            news = _news(NewsKind.QUESTION_CANCELLED, question)
            self._rules.try_send(news.notice(question.target), now)
        return None

    def advance(self, now: Moment) -> None:
        """Do what is due: questions are overdue."""
        for question in self.questions.pop_overdue(now.wall):
            match question.state:
                case QuestionState.EXPIRED:
                    self._expire(question, now)
                case QuestionState.ESCALATED:
                    self._escalate(question, now)
                case _:
                    self._hold(question, now)

    def delay(self, now: Moment) -> float | None:
        """Return the seconds until `advance` has something to do, None for never."""
        due = self.questions.next_overdue()
        return None if due is None else max(0.0, due - now.wall)

    def _expire(self, question: Question, now: Moment) -> None:
        answer = Draft(
            SYSTEM,
            Kind.SYSTEM,
            question.asker,
            EXPIRED,
            in_reply_to=question.id,
            kind=MessageKind.ANSWER,
        )
        self._rules.try_send(answer, now)
        self._take_back(question, f"the time of question {question.id} was over", now)
        self._rules.news.append(_news(NewsKind.QUESTION_EXPIRED, question))

    def _escalate(self, question: Question, now: Moment) -> None:
        put = Draft(
            SYSTEM,
            Kind.SYSTEM,
            OPERATOR,
            escalated_text(question, self._rules.limits.body_bytes),
            in_reply_to=question.id,
            kind=MessageKind.QUESTION,
        )
        self._rules.try_send(put, now)
        self._rules.news.append(_news(NewsKind.QUESTION_ESCALATED, question))

    def _hold(self, question: Question, now: Moment) -> None:
        news = _news(NewsKind.QUESTION_HELD, question)
        self._rules.news.append(news)
        for name in dict.fromkeys((question.asker, OPERATOR)):
            self._rules.try_send(news.notice(name), now)

    def _take_back(self, question: Question, why: str, now: Moment) -> bool:
        """End the messages that carry a question and that nobody has; return whether one did."""
        numbers = [question.id]
        if question.on_expiry is OnExpiry.ESCALATE:
            numbers += [
                message.id
                for message in self._rules.mail.messages.values()
                if message.kind is MessageKind.QUESTION and message.in_reply_to == question.id
            ]
        taken = [self._rules.take_back(number, why, now) for number in numbers]
        return any(taken)


def question_text(question: str, options: tuple[str, ...], *, multi: bool) -> str:
    """Return a question as its target reads it."""
    if not options:
        return question
    how = "Choose any of these, or answer in your own words:"
    if not multi:
        how = "Choose one of these, or answer in your own words:"
    return "\n".join([question, "", how, *(f"- {option}" for option in options)])


def escalated_text(question: Question, most: int) -> str:
    """Return a question as the operator reads it in place of its target, in at most so many bytes.

    What does not fit is not cut but left out as a whole: the operator can look it up.
    """
    head = (
        f"{question.asker} has asked {question.target}, who did not answer in time. "
        f"To answer question {question.id} is up to you:"
    )
    asked = question_text(question.text, question.options, multi=question.multi)
    whole = f"{head}\n\n{asked}"
    return whole if len(whole.encode()) <= most else f"{head} 'hive-c0re questions' shows it."


def ended_sentence(question: Question) -> str:
    """Return why a question that is at its end takes no answer any more."""
    when = rfc3339(question.ended_at or question.asked_at)
    if question.state is QuestionState.EXPIRED:
        return f"question {question.id} expired at {when}; nobody waits for its answer any more"
    return f"question {question.id} was {question.state.value} by {question.ended_by!r} at {when}"


def _why_no_answer(number: int) -> Op[HiveError]:
    def look(connection: Any) -> HiveError:
        found = one(number)(connection)
        if found is None:
            return NotFoundError(
                f"there is no question {number}; 'hive-c0re questions' shows the operator those "
                "that are open, 'loose_ends' shows an agent its own"
            )
        return ConflictError(ended_sentence(found))

    return look


def _news(kind: NewsKind, question: Question) -> News:
    detail = {
        "id": question.id,
        "asker": question.asker,
        "to": question.target,
        "question": question.text[:200],
    }
    return News(kind, question.asker, detail)
