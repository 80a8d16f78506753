"""The life of a question, as a table and as a state machine; no mail, no disk."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hive.broker.messages import MessageTable
from hive.broker.questions import ENDS, WHEN_OVERDUE, Questions
from hive.store.questions import Question, QuestionState
from hive.wire.enums import OnExpiry


def question(
    number: int = 1,
    *,
    target: str = "bob",
    on_expiry: OnExpiry = OnExpiry.DENY,
    expires_at: float | None = 100.0,
) -> Question:
    return Question(number, "alice", target, "go?", (), False, on_expiry, 0.0, expires_at)


def test_the_table_says_what_becomes_of_every_overdue_question() -> None:
    assert {(wish, above) for wish in OnExpiry for above in (False, True)} == set(WHEN_OVERDUE)


@pytest.mark.parametrize(
    ("on_expiry", "target", "state"),
    [
        (OnExpiry.DENY, "bob", QuestionState.EXPIRED),
        (OnExpiry.DENY, "operator", QuestionState.EXPIRED),
        (OnExpiry.HOLD, "bob", QuestionState.HELD),
        (OnExpiry.HOLD, "operator", QuestionState.HELD),
        (OnExpiry.ESCALATE, "bob", QuestionState.ESCALATED),
        (OnExpiry.ESCALATE, "operator", QuestionState.HELD),
    ],
)
def test_a_question_that_is_overdue_goes_where_its_asker_wished(
    on_expiry: OnExpiry, target: str, state: QuestionState
) -> None:
    book, asked = Questions(MessageTable()), question(target=target, on_expiry=on_expiry)
    book.put(asked)
    assert book.pop_overdue(99.9) == []
    assert book.next_overdue() == 100.0
    assert book.pop_overdue(100.0) == [asked]
    assert asked.state is state
    assert (asked.id in book.open) == (state not in ENDS)
    assert book.next_overdue() is None


def test_nothing_is_overdue_twice_and_a_held_question_can_still_be_answered() -> None:
    book, asked = Questions(MessageTable()), question(on_expiry=OnExpiry.HOLD)
    book.put(asked)
    book.pop_overdue(100.0)
    assert book.pop_overdue(1e9) == []
    book.answer(asked, "bob", "yes", 200.0)
    assert (asked.state, asked.answer, asked.ended_by) == (QuestionState.ANSWERED, "yes", "bob")


def test_an_answered_question_does_not_expire() -> None:
    book, asked = Questions(MessageTable()), question()
    book.put(asked)
    book.answer(asked, "bob", "yes", 50.0)
    assert book.pop_overdue(1e9) == []
    assert asked.state is QuestionState.ANSWERED


def test_what_is_taken_over_goes_on_as_it_was() -> None:
    book, held = Questions(MessageTable()), question(2, on_expiry=OnExpiry.HOLD)
    held.state = QuestionState.HELD
    asked = question(9)
    book.put(asked)
    book.load([question(1), held, question(3, expires_at=None)])
    assert set(book.open) == {1, 2, 3}
    assert book.table.take_effects().questions == {9: asked}
    assert [each.id for each in book.pop_overdue(1e9)] == [1]


class Life(RuleBasedStateMachine):
    """Does anything to questions, and compares with what should be so."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Questions(MessageTable())
        self.all: dict[int, Question] = {}
        self.ended: dict[int, QuestionState] = {}
        self.now = 0.0

    @rule(
        on_expiry=st.sampled_from(OnExpiry),
        to=st.sampled_from(["bob", "operator"]),
        ttl=st.none() | st.floats(0, 50),
    )
    def ask(self, on_expiry: OnExpiry, to: str, ttl: float | None) -> None:
        expires = None if ttl is None else self.now + ttl
        asked = question(len(self.all) + 1, target=to, on_expiry=on_expiry, expires_at=expires)
        self.all[asked.id] = asked
        self.book.put(asked)

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        if self.book.open:
            asked = data.draw(st.sampled_from(list(self.book.open.values())))
            self.book.answer(asked, asked.target, "yes", self.now)
            self.ended[asked.id] = QuestionState.ANSWERED

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.book.open:
            asked = data.draw(st.sampled_from(list(self.book.open.values())))
            self.book.cancel(asked, asked.asker, self.now)
            self.ended[asked.id] = QuestionState.CANCELLED

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for asked in self.book.pop_overdue(self.now):
            if asked.on_expiry is OnExpiry.DENY:
                self.ended[asked.id] = QuestionState.EXPIRED

    @rule()
    def restart(self) -> None:
        assert set(self.book.table.take_effects().questions) <= set(self.all)
        self.book.load([each for each in self.all.values() if each.ended_at is None])

    @invariant()
    def an_end_is_for_good_and_nothing_else_is_forgotten(self) -> None:
        assert {n: self.all[n].state for n in self.ended} == self.ended
        assert set(self.book.open) == set(self.all) - set(self.ended)

    @invariant()
    def nobody_waits_beyond_the_deadline(self) -> None:
        for asked in self.book.open.values():
            late = asked.expires_at is not None and asked.expires_at < self.now
            assert asked.state is not QuestionState.OPEN or not late


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase
