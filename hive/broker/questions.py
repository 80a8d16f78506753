"""Questions and reminders: their states, and the messages that carry them.

    open --overdue--> expired | held | escalated        (by the `on_expiry` of the question)
    open, held, escalated --answer--> answered
    open, held, escalated --cancel--> cancelled

`QuestionTable` has one method for each arrow, and adds the question to the effects, so that its row
is written. `QuestionRules` decides about requests and sends the messages: a question and its answer
are messages, and the id of a question is that of its message. A reminder is a deferred message.

No I/O, no clock, no futures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import indent
from typing import Any

from attrs import define, evolve, field

from hive.broker.effects import Notice
from hive.broker.inboxes import resolve
from hive.broker.messages import MessageTable
from hive.broker.rules import Rules
from hive.broker.sessions import Decide, Session
from hive.broker.values import Moment, Post, Token
from hive.broker.wall_deadlines import WallDeadlines
from hive.clock import rfc3339
from hive.errors import (
    BadRequestError,
    ConflictError,
    HiveError,
    InboxFullError,
    NotAllowedError,
    NotFoundError,
)
from hive.names import OPERATOR, QUEUE_PREFIX
from hive.store import Kind, Message, MessageKind
from hive.store.messages import one as message_of
from hive.store.questions import Question, QuestionState, one
from hive.store.transaction import Op
from hive.wire import agent as wire
from hive.wire import host, question_ends
from hive.wire.agent import Posting
from hive.wire.enums import CancelKind, EventKind, OnExpiry

OPEN_MAX = 50
"""Most open questions of one participant."""

PENDING_MAX = 50
"""Most pending reminders of one participant."""

ESCALATED_BYTES = 16 * 1024
"""Most bytes of the message that escalates a question: the reserve of the operator's inbox for the
daemon has room for many."""

EXPIRED = "[expired]"
"""The answer to a question that has expired."""


WHEN_OVERDUE: Mapping[tuple[OnExpiry, bool], QuestionState] = {
    (OnExpiry.DENY, False): QuestionState.EXPIRED,
    (OnExpiry.DENY, True): QuestionState.EXPIRED,
    (OnExpiry.HOLD, False): QuestionState.HELD,
    (OnExpiry.HOLD, True): QuestionState.HELD,
    (OnExpiry.ESCALATE, False): QuestionState.ESCALATED,
    (OnExpiry.ESCALATE, True): QuestionState.HELD,
}
"""State of an overdue question, by its `on_expiry` and whether its target is the operator, beyond
whom nothing can be escalated."""

ENDS = frozenset({QuestionState.ANSWERED, QuestionState.EXPIRED, QuestionState.CANCELLED})


@define(eq=False)
class QuestionTable:
    """The questions that have not ended.

    Attributes:
        table: The table of messages, for its effects.
        open: The questions by id, in the order in which they were asked.
    """

    table: MessageTable
    open: dict[int, Question] = field(factory=dict, init=False)
    _overdue: WallDeadlines[int] = field(factory=lambda: WallDeadlines(needs_both=True), init=False)

    def put(self, question: Question, now: Moment) -> None:
        """Add a new question, which was asked at this moment."""
        self.open[question.id] = question
        if question.expires_at is not None:
            self._overdue.set(question.id, loop=now.loop + question.expires_at - now.wall)
        self._write(question)

    def answer(self, question: Question, by: str, text: str, now: float) -> None:
        """End a question as answered; `by` is the sender of the answer, `now` is wall seconds."""
        question.answer = text
        self._end(question, QuestionState.ANSWERED, by, now)

    def cancel(self, question: Question, by: str, now: float) -> None:
        """End a question as cancelled; `now` is wall seconds."""
        self._end(question, QuestionState.CANCELLED, by, now)

    def pop_overdue(self, now: Moment) -> list[Question]:
        """Change the state of every overdue question; return them, earliest first."""
        due = [self.open[number] for number in self._overdue.pop_due(now)]
        for question in due:
            state = WHEN_OVERDUE[question.on_expiry, question.target == OPERATOR]
            if state in ENDS:
                self._end(question, state, None, now.wall)
            else:
                question.state = state
                self._write(question)
        return due

    def delay(self, now: Moment) -> float | None:
        """Return the seconds until the next question may be overdue, None for never."""
        return self._overdue.delay(now)

    def asked_by(self, name: str) -> int:
        """Return the number of open questions that a participant has asked."""
        return sum(question.asker == name for question in self.open.values())

    def held_by(self, name: str) -> list[int]:
        """Return the ids of the held questions that a participant has asked."""
        return [
            question.id
            for question in self.open.values()
            if question.asker == name and question.state is QuestionState.HELD
        ]

    def rename(self, old: str, new: str) -> None:
        """Change the name of a participant in the questions that it asked or is to answer."""
        for question in self.open.values():
            if old in {question.asker, question.target}:
                question.asker = new if question.asker == old else question.asker
                question.target = new if question.target == old else question.target
                self._write(question)

    def load(self, found: Iterable[Question]) -> None:
        """Replace all questions by these, which were read with the messages."""
        self.open.clear()
        self._overdue.clear()
        for question in found:
            self.open[question.id] = question
            wall = question.expires_at
            if question.state is QuestionState.OPEN and wall is not None:
                self._overdue.set(question.id, loop=wall - self.table.loaded_offset, wall=wall)

    def _write(self, question: Question) -> None:
        self.table.effects.questions[question.id] = question

    def _end(self, question: Question, state: QuestionState, by: str | None, now: float) -> None:
        question.state = state
        question.ended_by = by
        question.ended_at = now
        self._overdue.discard(question.id)
        del self.open[question.id]
        self._write(question)


class QuestionRules:
    """Decides about questions and reminders. `now` is the moment of the request.

    Args:
        rules: The rules of delivery, which send the messages.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._table = rules.table
        self.questions = QuestionTable(rules.table)
        self._reminders: dict[str, set[int]] = {}
        self._escalated: dict[int, int] = {}

    def decisions(self) -> Mapping[type, Decide]:
        """Return the method that decides about each type of request."""
        return {
            wire.Ask: self.ask,
            wire.Answer: self.answer,
            host.AnswerQuestion: self.answer,
            wire.Remind: self.remind,
            wire.Cancel: self.cancel,
        }

    # Questions

    def ask(self, session: Session, request: wire.Ask, token: Token, now: Moment) -> None:
        """Send a question; answer with its id.

        Raises:
            HiveError: Nothing was stored; the message has the reason.
        """
        target = self._target(session, request)
        options = tuple(request.options)
        text = question_text(request.question, options, multi=request.multi)
        number = self._post(session, target, text, MessageKind.QUESTION, now)
        expires = None if request.ttl_seconds is None else now.wall + request.ttl_seconds
        question = Question(
            number,
            session.name,
            target,
            request.question,
            options,
            request.multi,
            request.on_expiry,
            now.wall,
            expires,
        )
        self.questions.put(question, now)
        self._answer(session, token, id=number)

    def _target(self, session: Session, request: wire.Ask) -> str:
        """Return the inbox that a question goes to.

        Raises:
            BadRequestError: It is the asker's own inbox, or a work queue.
            InboxFullError: The asker has too many open questions, or does not read the answers.
            UnknownNameError: There is no such participant.
        """
        to = request.to or OPERATOR
        target = resolve(to, self._table.inboxes)
        if target == session.name or target.startswith(QUEUE_PREFIX):
            whom = "yourself" if target == session.name else "a work queue"
            raise BadRequestError(
                f"{to!r} is {whom}, and a question needs somebody else who can answer it; "
                "nothing was stored"
            )
        if self.questions.asked_by(session.name) >= OPEN_MAX:
            raise InboxFullError(
                f"{session.name!r} has {OPEN_MAX} open questions and {OPEN_MAX} are allowed; "
                "nothing was stored: cancel some, or wait for answers"
            )
        if session.inbox is not None and session.is_counted:
            self._rules.pacing.require_read(session.inbox)
        return target

    def answer(
        self,
        session: Session,
        request: wire.Answer | host.AnswerQuestion,
        token: Token,
        now: Moment,
    ) -> None:
        """Send an answer to the asker of a question.

        Raises:
            HiveError: Nothing was stored; the message has the reason.
        """
        question = self.questions.open.get(request.id)
        if question is None:
            self._refuse_from_disk(session, token, _why_no_answer(request.id, session))
            return
        _require_party(question, request.id, session)
        if session.name != question.target and session.kind is not Kind.OPERATOR:
            raise NotAllowedError(
                f"question {question.id} was put to {question.target!r}; only {question.target!r} "
                "and the operator may answer it"
            )
        text = request.answer
        self._post(session, question.asker, text, MessageKind.ANSWER, now, in_reply_to=question.id)
        self.questions.answer(question, session.name, text, now.wall)
        self._recall(question, question_ends.answered(question.id, session.name), now)
        self._answer(session, token)

    def _cancel_question(
        self, session: Session, request: wire.Cancel, token: Token, now: Moment
    ) -> None:
        """Cancel a question; if its target has read it already, notify the target."""
        question = self.questions.open.get(request.id)
        if question is None:
            self._refuse_from_disk(session, token, _why_no_answer(request.id, session))
            return
        _require_party(question, request.id, session)
        if question.asker != session.name:
            raise NotAllowedError(
                f"question {question.id} is {question.asker!r}'s; only its asker may cancel it"
            )
        self.questions.cancel(question, session.name, now.wall)
        if not self._recall(question, question_ends.cancelled(question.id), now):
            notice = _notice(EventKind.QUESTION_CANCELLED, question)
            self._rules.try_post(notice.post(question.target), now)
        self._answer(session, token)

    def end_discarded(self, number: int, why: str, now: Moment) -> bool:
        """End the open question of a message that the operator has discarded; answer its asker.

        Returns:
            Whether there was one.
        """
        question = self.questions.open.get(number)
        if question is None:
            return False
        self.questions.cancel(question, OPERATOR, now.wall)
        self._recall(question, f"question {number} was {why}", now)
        posting = Posting(to=question.asker, body=f"[{why}]", in_reply_to=number)
        self._rules.try_post(Post(posting, MessageKind.ANSWER), now)
        return True

    # Reminders

    def remind(self, session: Session, request: wire.Remind, token: Token, now: Moment) -> None:
        """Store a deferred message in the sender's own inbox; answer with its id.

        Raises:
            HiveError: Nothing was stored; the message has the reason.
        """
        if self.pending(session.name) >= PENDING_MAX:
            raise InboxFullError(
                f"{session.name!r} has {PENDING_MAX} reminders to come and {PENDING_MAX} are "
                "allowed; nothing was stored: cancel some first"
            )
        number = self._post(
            session,
            session.name,
            request.message,
            MessageKind.REMINDER,
            now,
            delay_seconds=request.delay_seconds,
            not_before=request.at_unix_timestamp,
        )
        self._reminders.setdefault(session.name, set()).add(number)
        self._answer(session, token, id=number)

    def pending(self, name: str) -> int:
        """Return the number of pending reminders of a participant."""
        ids = self._reminders.get(name)
        if ids is None:
            return 0
        ids.intersection_update([number for number in ids if number in self._table.deferred])
        if not ids:
            del self._reminders[name]
        return len(ids)

    # Questions, reminders and other messages

    def cancel(self, session: Session, request: wire.Cancel, token: Token, now: Moment) -> None:
        """Cancel an open question, a pending reminder or an unleased message of the participant.

        Raises:
            HiveError: Nothing was changed; the message has the reason.
        """
        if request.kind is CancelKind.QUESTION:
            self._cancel_question(session, request, token, now)
            return
        message = self._table.messages.get(request.id)
        if message is None:
            self._refuse_from_disk(session, token, _why_not_cancelled(request, session.name))
            return
        _require_own(message, request, session.name)
        if not self._rules.recall(message.id, f"cancelled by {session.name}", now):
            raise ConflictError(
                f"{request.kind.value} {message.id} was delivered to {message.inbox!r} at "
                f"{rfc3339(message.leased_at or now.wall)}; it cannot be taken back any more"
            )
        self._answer(session, token)

    def rename(self, old: str, new: str) -> None:
        """Change the name of a participant in its questions and reminders."""
        self.questions.rename(old, new)
        if old in self._reminders:
            self._reminders[new] = self._reminders.pop(old)

    def load(self, found: Iterable[Question]) -> None:
        """Replace all questions by those on disk, and find the pending reminders."""
        self.questions.load(found)
        self._reminders.clear()
        self._escalated.clear()
        for message in self._table.messages.values():
            if message.kind is MessageKind.QUESTION and message.in_reply_to in self.questions.open:
                self._escalated[message.in_reply_to] = message.id
            if message.kind is MessageKind.REMINDER and message.id in self._table.deferred:
                self._reminders.setdefault(message.inbox, set()).add(message.id)

    # Time

    def advance(self, now: Moment) -> None:
        """Change the state of overdue questions, and send what follows from that."""
        for question in self.questions.pop_overdue(now):
            match question.state:
                case QuestionState.EXPIRED:
                    self._expire(question, now)
                case QuestionState.ESCALATED:
                    self._escalate(question, now)
                case _:
                    self._hold(question, now)

    def delay(self, now: Moment) -> float | None:
        """Return the seconds until `advance` has something to do, None for never."""
        return self.questions.delay(now)

    def _expire(self, question: Question, now: Moment) -> None:
        posting = Posting(to=question.asker, body=EXPIRED, in_reply_to=question.id)
        self._rules.try_post(Post(posting, MessageKind.ANSWER), now)
        self._recall(question, f"the time of question {question.id} was over", now)
        self._notify(_notice(EventKind.QUESTION_EXPIRED, question))

    def _escalate(self, question: Question, now: Moment) -> None:
        most = min(ESCALATED_BYTES, self._rules.limits.body_bytes)
        text = escalated_text(question, most)
        posting = Posting(to=OPERATOR, body=text, in_reply_to=question.id)
        stored = self._rules.try_post(Post(posting, MessageKind.QUESTION), now)
        if stored is not None and isinstance(stored.id, int):
            self._escalated[question.id] = stored.id
        self._notify(_notice(EventKind.QUESTION_ESCALATED, question))

    def _hold(self, question: Question, now: Moment) -> None:
        notice = _notice(EventKind.QUESTION_HELD, question)
        self._notify(notice)
        held = self.questions.held_by(question.asker)
        if len(held) > 1:
            notice = evolve(notice, detail={**notice.detail, "held": held})
        for name in dict.fromkeys((question.asker, OPERATOR)):
            self._rules.try_post(notice.post(name, about=question.asker), now)

    def _notify(self, notice: Notice) -> None:
        self._table.effects.notices.append(notice)

    def _recall(self, question: Question, why: str, now: Moment) -> bool:
        """Expire the unleased messages that carry a question; return whether there was one."""
        numbers = (question.id, self._escalated.pop(question.id, 0))
        taken = [self._rules.recall(number, why, now) for number in numbers]
        return any(taken)

    def _post(
        self,
        session: Session,
        to: str,
        body: str,
        kind: MessageKind,
        now: Moment,
        **options: Any,
    ) -> int:
        """Send to one inbox and return the message's id."""
        stored = self._rules.post(session, Post(Posting(to=to, body=body, **options), kind), now)
        assert isinstance(stored.id, int)
        return stored.id

    def _answer(self, session: Session, token: Token, **fields: Any) -> None:
        self._table.effects.answers.append((session, token, fields, True))

    def _refuse_from_disk(self, session: Session, token: Token, why: Op[HiveError]) -> None:
        """Refuse a request about something that is not in memory, with a reason read from disk."""
        self._table.effects.ask_disk(session, token, why, lambda error: error)


def question_text(question: str, options: tuple[str, ...], *, multi: bool) -> str:
    """Return the body of the message that carries a question."""
    if not options:
        return question
    how = "Choose any of these, or answer in your own words:"
    if not multi:
        how = "Choose one of these, or answer in your own words:"
    return "\n".join([question, "", how, *(f"- {option}" for option in options)])


def escalated_text(question: Question, most: int) -> str:
    """Return the body of the message that escalates a question, in at most `most` bytes.

    The text of the asker is indented, so that it cannot pass for the hive's. A question that does
    not fit is left out as a whole: `hive-c0re questions` shows it.
    """
    head = (
        f"{question.asker} has asked {question.target}, who did not answer in time. "
        f"To answer question {question.id} is up to you:"
    )
    asked = question_text(question.text, question.options, multi=question.multi)
    whole = f"{head}\n\n{indent(asked, '    ')}"
    return whole if len(whole.encode()) <= most else f"{head} 'hive-c0re questions' shows it."


def why_closed(question: Question) -> str:
    """Return why a question that has ended takes no answer."""
    when = rfc3339(question.ended_at or question.asked_at)
    if question.state is QuestionState.EXPIRED:
        return f"question {question.id} expired at {when}; it takes no answer any more"
    return f"question {question.id} was {question.state.value} by {question.ended_by!r} at {when}"


def _why_no_answer(number: int, session: Session) -> Op[HiveError]:
    def look(connection: Any) -> HiveError:
        found = one(number)(connection)
        try:
            return ConflictError(why_closed(_require_party(found, number, session)))
        except NotFoundError as error:
            return error

    return look


def _require_party(question: Question | None, number: int, session: Session) -> Question:
    """Require that a session may know of a question: its asker, its target, the operator.

    Raises:
        NotFoundError: It may not, or there is none; the error does not say which.
    """
    is_operator = session.kind is Kind.OPERATOR
    if question is None or not (is_operator or session.name in (question.asker, question.target)):
        shows = "'hive-c0re questions'" if is_operator else "'loose_ends'"
        whose = "" if is_operator else f" to or from {session.name!r}"
        raise NotFoundError(f"there is no question {number}{whose}; {shows} shows those open")
    return question


def _notice(kind: EventKind, question: Question) -> Notice:
    detail = {
        "id": question.id,
        "asker": question.asker,
        "to": question.target,
        "question": question.text[:200],
    }
    return Notice(kind, question.asker, detail)


def _why_not_cancelled(request: wire.Cancel, name: str) -> Op[HiveError]:
    def look(connection: Any) -> HiveError:
        found = message_of(request.id)(connection)
        try:
            _require_own(found, request, name)
        except HiveError as error:
            return error
        assert found is not None
        when = rfc3339(found.ended_at or found.sent_at)
        return ConflictError(
            f"{request.kind.value} {found.id} is {found.state.value} since {when}; "
            "there is nothing to cancel"
        )

    return look


def _require_own(message: Message | None, request: wire.Cancel, name: str) -> None:
    """Require that a message is of the kind that is to be cancelled, and the participant's own.

    Raises:
        NotFoundError: It is not, or there is none; the error does not say which.
        BadRequestError: It is an own question.
    """
    is_reminder = message is not None and message.kind is MessageKind.REMINDER
    owner = message and (message.inbox if is_reminder else message.sender)
    is_of_kind = is_reminder == (request.kind is CancelKind.REMINDER)
    if message is None or owner != name or not is_of_kind:
        raise NotFoundError(f"{name!r} has no {request.kind.value} {request.id} to cancel")
    if message.kind is MessageKind.QUESTION:
        raise BadRequestError(f"message {message.id} is a question; cancel it with kind 'question'")
