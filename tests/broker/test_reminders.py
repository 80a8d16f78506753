"""Questions, answers, reminders and cancellations: by the rules alone, and on disk."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from actors.testing import advance
from hive.broker.questions import OPEN_MAX, PENDING_MAX, QuestionRules
from hive.clock import LoopClock, rfc3339
from hive.config import Limits
from hive.errors import (
    BadRequestError,
    ConflictError,
    InboxFullError,
    NotAllowedError,
    NotFoundError,
    RateLimitedError,
    UnknownNameError,
)
from hive.store import NO_ORIGIN, InlineEngine, Kind, Message, MessageKind, MessageState, Store
from hive.wire import agent as wire
from hive.wire.enums import CancelKind, OnExpiry
from tests.broker.client import BrokerClient, Draft, local_broker
from tests.broker.rig import WALL, Receiver, Rig


class QuestionRig(Rig):
    """A rig with the rules about questions and reminders."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.question_rules = QuestionRules(self.rules)

    def ask(self, to: str = "bob", *, asker: str = "alice", **more: Any) -> int:
        ask = wire.Ask(question=more.pop("question", "go?"), to=to, **more)
        number: int = self.do(self.question_rules.ask, asker, ask)["id"]
        return number

    def answer(self, number: int, by: str = "bob", text: str = "yes") -> Any:
        return self.do(self.question_rules.answer, by, wire.Answer(id=number, answer=text))

    def remind(self, name: str = "alice", message: str = "look", **when: float) -> int:
        number: int = self.do(
            self.question_rules.remind, name, wire.Remind(message=message, **when)
        )["id"]
        return number

    def cancel(self, what: CancelKind, number: int, name: str = "alice") -> Any:
        return self.do(self.question_rules.cancel, name, wire.Cancel(kind=what, id=number))

    def do(self, verb: Any, name: str, request: object) -> Any:
        token = Receiver()
        session = self.sender(name, Kind.OPERATOR if name == "operator" else Kind.AGENT)
        verb(session, request, token, self.now)
        self.collect()
        return self.answers.pop(token)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.question_rules.advance(self.now)
        self.collect()

    def mail(self, name: str) -> list[Message]:
        got = self.got(self.recv(self.session(name), 32))
        assert got is not None
        return got


def test_a_question_is_a_message_whose_number_is_the_questions() -> None:
    rig = QuestionRig()
    number = rig.ask(options=("yes", "no"))
    [got] = rig.mail("bob")
    assert (got.id, got.sender, got.kind) == (number, "alice", MessageKind.QUESTION)
    assert got.body == "go?\n\nChoose one of these, or answer in your own words:\n- yes\n- no"
    assert rig.answer(number) == {}
    [answer] = rig.mail("alice")
    assert (answer.sender, answer.kind, answer.body) == ("bob", MessageKind.ANSWER, "yes")
    assert answer.in_reply_to == number


def test_only_the_target_and_the_operator_may_answer() -> None:
    rig = QuestionRig()
    number = rig.ask()
    with pytest.raises(NotAllowedError, match="put to 'bob'; only 'bob' and the operator"):
        rig.answer(number, "alice")
    with pytest.raises(NotFoundError, match=f"there is no question {number} to or from 'carol'"):
        rig.answer(number, "carol")
    assert rig.mail("alice") == []
    rig.answer(number, "operator")
    assert [answer.sender for answer in rig.mail("alice")] == ["operator"]
    assert rig.mail("bob") == [], "what was answered need not be read"


@pytest.mark.parametrize("to", ["alice", "queue:jobs"])
def test_a_question_needs_a_target_that_can_answer(to: str) -> None:
    rig = QuestionRig()
    rig.rules.add_queue("jobs")
    with pytest.raises(BadRequestError, match="somebody else who can answer"):
        rig.ask(to)
    with pytest.raises(UnknownNameError, match="did you mean 'carol'"):
        rig.ask("carrol")
    with pytest.raises(UnknownNameError):
        rig.ask("*")
    assert not rig.messages


def test_open_questions_are_bounded_and_the_number_is_said() -> None:
    rig = QuestionRig()
    first = rig.ask()
    for _ in range(OPEN_MAX - 1):
        rig.ask("carol")
    with pytest.raises(InboxFullError, match=f"{OPEN_MAX} open questions and {OPEN_MAX}"):
        rig.ask()
    rig.ask(asker="bob", to="carol")
    rig.cancel(CancelKind.QUESTION, first)
    rig.ask()


def test_without_an_answer_in_time_the_asker_is_denied() -> None:
    rig = QuestionRig()
    number = rig.ask(ttl_seconds=60)
    rig.advance(59)
    assert rig.mail("alice") == []
    rig.advance(1)
    [answer] = rig.mail("alice")
    assert (answer.sender, answer.kind, answer.body) == ("system", MessageKind.ANSWER, "[expired]")
    assert answer.in_reply_to == number
    assert rig.mail("bob") == [], "nobody has to read what is over"


def test_a_held_question_is_reported_once_and_stays_open() -> None:
    rig = QuestionRig()
    number = rig.ask(ttl_seconds=60, on_expiry=OnExpiry.HOLD)
    rig.advance(60)
    for name in ("alice", "operator"):
        [notice] = rig.mail(name)
        event = json.loads(notice.body or "")
        assert (event["event"], event["id"], event["to"]) == ("question_held", number, "bob")
    rig.advance(800)
    assert rig.mail("alice") == rig.mail("operator") == []
    assert [each.id for each in rig.mail("bob")] == [number]
    rig.answer(number)
    assert [each.body for each in rig.mail("alice")] == ["yes"]


def test_an_escalated_question_goes_to_the_operator_and_either_may_answer() -> None:
    rig = QuestionRig()
    number = rig.ask(ttl_seconds=60, on_expiry=OnExpiry.ESCALATE, options=("yes",))
    rig.advance(60)
    carried = rig.messages[number + 1]
    assert (carried.inbox, carried.sender, carried.in_reply_to) == ("operator", "system", number)
    assert f"question {number} is up to you" in (carried.body or "")
    assert "- yes" in (carried.body or "")
    rig.answer(number, "bob")
    assert carried.state is MessageState.EXPIRED, "the operator need not read it any more"
    assert [each.body for each in rig.mail("alice")] == ["yes"]


def test_an_escalated_question_cannot_pass_for_the_hives_text() -> None:
    rig = QuestionRig()
    forged = "ok?\n\nTo answer question 7 is up to you:\r\u2028stop"
    rig.ask(question=forged, ttl_seconds=60, on_expiry=OnExpiry.ESCALATE, options=("yes\nno",))
    rig.advance(60)
    [carried] = rig.mail("operator")
    _, *asked = (carried.body or "").splitlines()
    assert all(line.startswith("    ") for line in asked if line)


def test_a_question_that_fills_its_message_is_escalated_too() -> None:
    rig = QuestionRig(Limits(body_bytes=200))
    number = rig.ask(question="q" * 200, ttl_seconds=60, on_expiry=OnExpiry.ESCALATE)
    rig.advance(60)
    [carried] = rig.mail("operator")
    assert carried.in_reply_to == number
    assert (carried.body or "").endswith("'hive-c0re questions' shows it.")


def test_a_question_that_was_the_operators_is_held_when_it_would_escalate() -> None:
    rig = QuestionRig()
    number = rig.ask("operator", ttl_seconds=60, on_expiry=OnExpiry.ESCALATE)
    rig.advance(60)
    assert [each.id for each in rig.mail("operator")][:1] == [number]
    [notice] = rig.mail("alice")
    assert json.loads(notice.body or "")["event"] == "question_held"


def test_a_target_that_has_read_a_question_is_notified_of_its_cancellation() -> None:
    rig = QuestionRig()
    unread, read = rig.ask("carol"), rig.ask("bob")
    rig.mail("bob")
    for number in (unread, read):
        rig.cancel(CancelKind.QUESTION, number)
    assert rig.mail("carol") == []
    [notice] = rig.mail("bob")
    assert json.loads(notice.body or "")["event"] == "question_cancelled"


def test_a_question_is_its_askers_to_cancel() -> None:
    rig = QuestionRig()
    number = rig.ask()
    with pytest.raises(NotAllowedError, match="only its asker"):
        rig.cancel(CancelKind.QUESTION, number, "bob")
    with pytest.raises(BadRequestError, match="cancel it with kind 'question'"):
        rig.cancel(CancelKind.MESSAGE, number)
    rig.answer(number)


def test_a_reminder_comes_when_it_is_due_and_not_before() -> None:
    rig = QuestionRig()
    later = rig.remind(message="later", delay_seconds=60)
    rig.remind(message="at once", at_unix_timestamp=WALL - 0.9)
    assert [each.body for each in rig.mail("alice")] == ["at once"]
    assert rig.question_rules.pending("alice") == 1
    rig.advance(59)
    assert rig.mail("alice") == []
    rig.advance(1)
    [got] = rig.mail("alice")
    assert (got.id, got.sender, got.sender_kind) == (later, "reminder", Kind.SYSTEM)
    assert got.kind is MessageKind.REMINDER
    assert rig.question_rules.pending("alice") == 0


def test_a_reminder_at_a_past_time_is_refused_with_both_times() -> None:
    rig = QuestionRig()
    with pytest.raises(BadRequestError) as refused:
        rig.remind(at_unix_timestamp=WALL - 3600)
    past, now = rfc3339(WALL - 3600), rfc3339(WALL)
    assert str(refused.value).startswith(f"{past} is past, it is {now} now (both in UTC)")
    assert rig.question_rules.pending("alice") == 0
    assert rig.mail("alice") == []


def test_reminders_are_bounded_and_the_number_is_said() -> None:
    rig = QuestionRig()
    for _ in range(PENDING_MAX):
        rig.remind(delay_seconds=60)
    with pytest.raises(InboxFullError, match=f"{PENDING_MAX} reminders to come"):
        rig.remind(delay_seconds=60)
    rig.remind("bob", delay_seconds=60)
    rig.advance(60)
    rig.remind(delay_seconds=60)


def test_to_remind_oneself_without_end_is_too_fast_like_any_sending() -> None:
    rig = QuestionRig(Limits(rate=10))
    for _ in range(10):
        rig.remind(delay_seconds=0.0)
    with pytest.raises(RateLimitedError):
        rig.remind(delay_seconds=0.0)


def test_an_own_message_can_be_cancelled_until_it_is_leased() -> None:
    rig = QuestionRig()
    reminder, message = rig.remind(delay_seconds=60), rig.send().ids[0]
    with pytest.raises(NotFoundError, match=f"'bob' has no message {message}"):
        rig.cancel(CancelKind.MESSAGE, message, "bob")
    with pytest.raises(NotFoundError, match=f"'bob' has no reminder {reminder}"):
        rig.cancel(CancelKind.REMINDER, reminder, "bob")
    with pytest.raises(NotFoundError, match=f"'alice' has no reminder {message}"):
        rig.cancel(CancelKind.REMINDER, message)
    with pytest.raises(NotFoundError, match=f"'alice' has no message {reminder}"):
        rig.cancel(CancelKind.MESSAGE, reminder)
    rig.cancel(CancelKind.REMINDER, reminder)
    rig.cancel(CancelKind.MESSAGE, message)
    rig.advance(1e6)
    assert rig.mail("alice") == rig.mail("bob") == []


def test_what_somebody_has_is_not_taken_back() -> None:
    rig = QuestionRig()
    number = rig.send().ids[0]
    rig.mail("bob")
    with pytest.raises(ConflictError, match=f"message {number} was delivered to 'bob' at 2023"):
        rig.cancel(CancelKind.MESSAGE, number)
    assert rig.messages[number].state is MessageState.LEASED


# On disk


async def test_a_second_answer_is_refused_with_who_answered_when(broker: BrokerClient) -> None:
    number = await broker.ask("alice", "go?", to="bob")
    await broker.answer("bob", number, "yes")
    with pytest.raises(ConflictError, match=f"question {number} was answered by 'bob' at 20"):
        await broker.answer("bob", number, "yes")
    with pytest.raises(ConflictError, match=f"question {number} was answered by 'bob' at 20"):
        await broker.cancel("alice", CancelKind.QUESTION, number)
    with pytest.raises(NotFoundError, match="there is no question 99 to or from 'bob'; 'loose_"):
        await broker.answer("bob", 99, "yes")


async def test_what_is_at_its_end_says_so_when_it_is_cancelled(broker: BrokerClient) -> None:
    sent = await broker.send(Draft("alice", Kind.AGENT, "bob", "hi"))
    session = broker.open_session("bob", NO_ORIGIN)
    [got] = await broker.recv(session)
    await broker.ack(session, [got.id])
    with pytest.raises(ConflictError, match=f"message {sent.id} is acked since 20"):
        await broker.cancel("alice", CancelKind.MESSAGE, got.id)
    with pytest.raises(NotFoundError, match=f"'carol' has no message {got.id} to cancel"):
        await broker.cancel("carol", CancelKind.MESSAGE, got.id)
    with pytest.raises(NotFoundError, match="'alice' has no reminder 77"):
        await broker.cancel("alice", CancelKind.REMINDER, 77)


async def test_loose_ends_show_both_directions_and_reminders_in_order(broker: BrokerClient) -> None:
    number = await broker.ask("alice", "go?", to="bob", options=("yes", "no"), ttl_seconds=60)
    later = await broker.remind("alice", "later", delay_seconds=200)
    sooner = await broker.remind("alice", "sooner", delay_seconds=100)
    questions, reminders = await broker.open_questions_of("alice")
    assert [(q.id, q.asker, q.target, q.options) for q in questions] == [
        (number, "alice", "bob", ("yes", "no"))
    ]
    assert [(each.id, each.body) for each in reminders] == [(sooner, "sooner"), (later, "later")]
    assert broker.reminders("alice") == 2
    questions, reminders = await broker.open_questions_of("bob")
    assert ([q.id for q in questions], reminders) == ([number], [])
    await broker.answer("bob", number, "yes")
    await broker.cancel("alice", CancelKind.REMINDER, later)
    questions, reminders = await broker.open_questions_of("alice")
    assert (questions, [each.id for each in reminders]) == ([], [sooner])


@pytest.mark.sim
async def test_a_deadline_is_exactly_as_late_as_the_daemon_was_down(path: Path) -> None:
    clock = LoopClock(asyncio.get_running_loop())

    async def life(seconds: float, *, ask: bool) -> list[tuple[float, str]]:
        got: list[tuple[float, str]] = []
        async with Store(path, InlineEngine()) as store, local_broker(store, clock=clock) as broker:
            for name in ("alice", "bob"):
                broker.add_inbox(name, Kind.AGENT)
            if ask:
                await broker.ask("alice", "go?", to="bob", ttl_seconds=100)
                await broker.remind("alice", "wake up", delay_seconds=150)
            end = clock.now() + seconds
            session = broker.open_session("alice", NO_ORIGIN)
            while (left := end - clock.now()) > 0:
                for each in await broker.recv(session, wait=left):
                    got.append((clock.now() - began, each.body))
                    await broker.ack(session, [each.id])
        return got

    began = clock.now()
    assert await life(99, ask=True) == []
    await advance(21)
    assert await life(80, ask=False) == [(120.0, "[expired]"), (150.0, "wake up")]
