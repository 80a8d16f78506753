"""Asking, answering, reminding, taking back: in memory with hand-made time, and on disk."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from actors.testing import advance
from hive.broker.asking import OPEN_MAX, PENDING_MAX, Asking
from hive.clock import LoopClock
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
from hive.wire import questions as wire
from hive.wire.enums import LooseEnd, OnExpiry
from tests.broker.post import Draft, Router, local_router
from tests.broker.rig import WALL, Ear, Rig


class Table(Rig):
    """A desk whose participants also ask and remind."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.asking = Asking(self.rules)

    def ask(self, to: str = "bob", *, asker: str = "alice", **more: Any) -> int:
        ask = wire.Ask(question=more.pop("question", "go?"), to=to, **more)
        number: int = self.do(self.asking.ask, asker, ask)["id"]
        return number

    def answer(self, number: int, by: str = "bob", text: str = "yes") -> Any:
        return self.do(self.asking.answer, by, wire.Answer(id=number, answer=text))

    def remind(self, name: str = "alice", message: str = "look", **when: float) -> int:
        number: int = self.do(self.asking.remind, name, wire.Remind(message=message, **when))["id"]
        return number

    def cancel(self, what: LooseEnd, number: int, name: str = "alice") -> Any:
        return self.do(self.asking.cancel, name, wire.Cancel(kind=what, id=number))

    def do(self, verb: Any, name: str, request: object) -> Any:
        token = Ear()
        session = self.sender(name, Kind.OPERATOR if name == "operator" else Kind.AGENT)
        verb(session, request, token, self.now)
        self.collect()
        return self.answers.pop(token)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.asking.advance(self.now)
        self.collect()

    def mail(self, name: str) -> list[Message]:
        got = self.got(self.recv(self.session(name), 32))
        assert got is not None
        return got


def test_a_question_is_a_message_whose_number_is_the_questions() -> None:
    table = Table()
    number = table.ask(options=("yes", "no"))
    [got] = table.mail("bob")
    assert (got.id, got.sender, got.kind) == (number, "alice", MessageKind.QUESTION)
    assert got.body == "go?\n\nChoose one of these, or answer in your own words:\n- yes\n- no"
    assert table.answer(number) == {}
    [answer] = table.mail("alice")
    assert (answer.sender, answer.kind, answer.body) == ("bob", MessageKind.ANSWER, "yes")
    assert answer.in_reply_to == number


def test_only_whom_it_was_put_to_and_the_operator_may_answer() -> None:
    table = Table()
    number = table.ask()
    for stranger in ("carol", "alice"):
        with pytest.raises(NotAllowedError, match="put to 'bob'; only 'bob' and the operator"):
            table.answer(number, stranger)
    assert table.mail("alice") == []
    table.answer(number, "operator")
    assert [answer.sender for answer in table.mail("alice")] == ["operator"]
    assert table.mail("bob") == [], "what was answered need not be read"


@pytest.mark.parametrize("to", ["alice", "queue:jobs"])
def test_a_question_needs_somebody_who_can_answer(to: str) -> None:
    table = Table()
    table.rules.add_queue("jobs")
    with pytest.raises(BadRequestError, match="somebody else who can answer"):
        table.ask(to)
    with pytest.raises(UnknownNameError, match="did you mean 'carol'"):
        table.ask("carrol")
    with pytest.raises(UnknownNameError):
        table.ask("*")
    assert not table.messages


def test_open_questions_are_bounded_and_the_number_is_said() -> None:
    table = Table()
    first = table.ask()
    for _ in range(OPEN_MAX - 1):
        table.ask("carol")
    with pytest.raises(InboxFullError, match=f"{OPEN_MAX} open questions and {OPEN_MAX}"):
        table.ask()
    table.ask(asker="bob", to="carol")
    table.cancel(LooseEnd.QUESTION, first)
    table.ask()


def test_without_an_answer_in_time_the_asker_is_denied() -> None:
    table = Table()
    number = table.ask(ttl_seconds=60)
    table.advance(59)
    assert table.mail("alice") == []
    table.advance(1)
    [answer] = table.mail("alice")
    assert (answer.sender, answer.kind, answer.body) == ("system", MessageKind.ANSWER, "[expired]")
    assert answer.in_reply_to == number
    assert table.mail("bob") == [], "nobody has to read what is over"


def test_a_held_question_is_told_of_once_and_stays_open() -> None:
    table = Table()
    number = table.ask(ttl_seconds=60, on_expiry=OnExpiry.HOLD)
    table.advance(60)
    for name in ("alice", "operator"):
        [notice] = table.mail(name)
        told = json.loads(notice.body or "")
        assert (told["event"], told["id"], told["to"]) == ("question_held", number, "bob")
    table.advance(800)
    assert table.mail("alice") == table.mail("operator") == []
    assert [each.id for each in table.mail("bob")] == [number]
    table.answer(number)
    assert [each.body for each in table.mail("alice")] == ["yes"]


def test_an_escalated_question_goes_to_the_operator_and_either_may_answer() -> None:
    table = Table()
    number = table.ask(ttl_seconds=60, on_expiry=OnExpiry.ESCALATE, options=("yes",))
    table.advance(60)
    carried = table.messages[number + 1]
    assert (carried.inbox, carried.sender, carried.in_reply_to) == ("operator", "system", number)
    assert f"question {number} is up to you" in (carried.body or "")
    assert "- yes" in (carried.body or "")
    table.answer(number, "bob")
    assert carried.state is MessageState.EXPIRED, "the operator need not read it any more"
    assert [each.body for each in table.mail("alice")] == ["yes"]


def test_a_question_that_fills_its_message_is_escalated_too() -> None:
    table = Table(Limits(body_bytes=200))
    number = table.ask(question="q" * 200, ttl_seconds=60, on_expiry=OnExpiry.ESCALATE)
    table.advance(60)
    [carried] = table.mail("operator")
    assert carried.in_reply_to == number
    assert (carried.body or "").endswith("'hive-c0re questions' shows it.")


def test_a_question_that_was_the_operators_is_held_when_it_would_escalate() -> None:
    table = Table()
    number = table.ask("operator", ttl_seconds=60, on_expiry=OnExpiry.ESCALATE)
    table.advance(60)
    assert [each.id for each in table.mail("operator")][:1] == [number]
    [notice] = table.mail("alice")
    assert json.loads(notice.body or "")["event"] == "question_held"


def test_whoever_has_read_a_question_is_told_that_it_was_cancelled() -> None:
    table = Table()
    unread, read = table.ask("carol"), table.ask("bob")
    table.mail("bob")
    for number in (unread, read):
        table.cancel(LooseEnd.QUESTION, number)
    assert table.mail("carol") == []
    [notice] = table.mail("bob")
    assert json.loads(notice.body or "")["event"] == "question_cancelled"


def test_a_question_is_its_askers_to_cancel() -> None:
    table = Table()
    number = table.ask()
    with pytest.raises(NotAllowedError, match="only its asker"):
        table.cancel(LooseEnd.QUESTION, number, "bob")
    with pytest.raises(BadRequestError, match="cancel it with kind 'question'"):
        table.cancel(LooseEnd.MESSAGE, number)
    table.answer(number)


def test_a_reminder_comes_when_it_is_due_and_not_before() -> None:
    table = Table()
    later = table.remind(message="later", delay_seconds=60)
    table.remind(message="at once", at_unix_timestamp=WALL - 5)
    assert [each.body for each in table.mail("alice")] == ["at once"]
    assert table.asking.pending("alice") == 1
    table.advance(59)
    assert table.mail("alice") == []
    table.advance(1)
    [got] = table.mail("alice")
    assert (got.id, got.sender, got.sender_kind) == (later, "reminder", Kind.SYSTEM)
    assert got.kind is MessageKind.REMINDER
    assert table.asking.pending("alice") == 0


def test_reminders_are_bounded_and_the_number_is_said() -> None:
    table = Table()
    for _ in range(PENDING_MAX):
        table.remind(delay_seconds=60)
    with pytest.raises(InboxFullError, match=f"{PENDING_MAX} reminders to come"):
        table.remind(delay_seconds=60)
    table.remind("bob", delay_seconds=60)
    table.advance(60)
    table.remind(delay_seconds=60)


def test_to_remind_oneself_without_end_is_too_fast_like_any_sending() -> None:
    table = Table(Limits(rate=10))
    for _ in range(10):
        table.remind(delay_seconds=0.0)
    with pytest.raises(RateLimitedError):
        table.remind(delay_seconds=0.0)


def test_ones_own_is_taken_back_while_nobody_has_it() -> None:
    table = Table()
    reminder, message = table.remind(delay_seconds=60), table.send().ids[0]
    with pytest.raises(NotAllowedError, match="not yours"):
        table.cancel(LooseEnd.MESSAGE, message, "bob")
    with pytest.raises(NotAllowedError, match="not yours"):
        table.cancel(LooseEnd.REMINDER, reminder, "bob")
    with pytest.raises(NotFoundError, match=f"there is no reminder {message}"):
        table.cancel(LooseEnd.REMINDER, message)
    with pytest.raises(NotFoundError, match=f"there is no message {reminder}"):
        table.cancel(LooseEnd.MESSAGE, reminder)
    table.cancel(LooseEnd.REMINDER, reminder)
    table.cancel(LooseEnd.MESSAGE, message)
    table.advance(1e6)
    assert table.mail("alice") == table.mail("bob") == []


def test_what_somebody_has_is_not_taken_back() -> None:
    table = Table()
    number = table.send().ids[0]
    table.mail("bob")
    with pytest.raises(ConflictError, match=f"message {number} was delivered to 'bob' at 2023"):
        table.cancel(LooseEnd.MESSAGE, number)
    assert table.messages[number].state is MessageState.LEASED


# On disk


async def test_a_second_answer_is_told_who_answered_when(router: Router) -> None:
    number = await router.ask("alice", "go?", to="bob")
    await router.answer("bob", number, "yes")
    with pytest.raises(ConflictError, match=f"question {number} was answered by 'bob' at 20"):
        await router.answer("bob", number, "yes")
    with pytest.raises(ConflictError, match=f"question {number} was answered by 'bob' at 20"):
        await router.cancel("alice", LooseEnd.QUESTION, number)
    with pytest.raises(NotFoundError, match="there is no question 99; 'loose_ends' shows"):
        await router.answer("bob", 99, "yes")


async def test_what_is_at_its_end_says_so_when_it_is_cancelled(router: Router) -> None:
    sent = await router.send(Draft("alice", Kind.AGENT, "bob", "hi"))
    session = router.open_session("bob", NO_ORIGIN)
    [got] = await router.recv(session)
    await router.ack(session, [got.id])
    with pytest.raises(ConflictError, match=f"message {sent.id} is acked since 20"):
        await router.cancel("alice", LooseEnd.MESSAGE, got.id)
    with pytest.raises(NotAllowedError, match="not yours"):
        await router.cancel("carol", LooseEnd.MESSAGE, got.id)
    with pytest.raises(NotFoundError, match="there is no reminder 77"):
        await router.cancel("alice", LooseEnd.REMINDER, 77)


async def test_loose_ends_show_both_directions_and_reminders_in_order(router: Router) -> None:
    number = await router.ask("alice", "go?", to="bob", options=("yes", "no"), ttl_seconds=60)
    later = await router.remind("alice", "later", delay_seconds=200)
    sooner = await router.remind("alice", "sooner", delay_seconds=100)
    questions, reminders = await router.open_questions_of("alice")
    assert [(q.id, q.asker, q.target, q.options) for q in questions] == [
        (number, "alice", "bob", ("yes", "no"))
    ]
    assert [(each.id, each.body) for each in reminders] == [(sooner, "sooner"), (later, "later")]
    assert router.reminders("alice") == 2
    questions, reminders = await router.open_questions_of("bob")
    assert ([q.id for q in questions], reminders) == ([number], [])
    await router.answer("bob", number, "yes")
    await router.cancel("alice", LooseEnd.REMINDER, later)
    questions, reminders = await router.open_questions_of("alice")
    assert (questions, [each.id for each in reminders]) == ([], [sooner])


@pytest.mark.sim
async def test_a_deadline_is_exactly_as_late_as_the_daemon_was_down(path: Path) -> None:
    clock = LoopClock(asyncio.get_running_loop())

    async def life(seconds: float, *, ask: bool) -> list[tuple[float, str]]:
        got: list[tuple[float, str]] = []
        async with Store(path, InlineEngine()) as store, local_router(store, clock=clock) as router:
            for name in ("alice", "bob"):
                router.add_inbox(name, Kind.AGENT)
            if ask:
                await router.ask("alice", "go?", to="bob", ttl_seconds=100)
                await router.remind("alice", "wake up", delay_seconds=150)
            end = clock.now() + seconds
            session = router.open_session("alice", NO_ORIGIN)
            while (left := end - clock.now()) > 0:
                for each in await router.recv(session, wait=left):
                    got.append((clock.now() - began, each.body))
                    await router.ack(session, [each.id])
        return got

    began = clock.now()
    assert await life(99, ask=True) == []
    await advance(21)
    assert await life(80, ask=False) == [(120.0, "[expired]"), (150.0, "wake up")]
