"""The states of questions, as a table and as a state machine; without messages and disk."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hive.broker.messages import MessageTable
from hive.broker.questions import ENDS, WHEN_OVERDUE, QuestionTable
from hive.broker.values import Moment
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


def test_the_table_has_a_state_for_every_overdue_question() -> None:
    assert {(wish, above) for wish in OnExpiry for above in (False, True)} == set(WHEN_OVERDUE)


START = Moment(0.0, 0.0)


def at(seconds: float) -> Moment:
    return Moment(seconds, seconds)


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
def test_an_overdue_question_changes_its_state_by_its_on_expiry(
    on_expiry: OnExpiry, target: str, state: QuestionState
) -> None:
    table, asked = QuestionTable(MessageTable()), question(target=target, on_expiry=on_expiry)
    table.put(asked, START)
    assert table.pop_overdue(at(99.9)) == []
    assert table.delay(START) == 100.0
    assert table.pop_overdue(at(100.0)) == [asked]
    assert asked.state is state
    assert (asked.id in table.open) == (state not in ENDS)
    assert table.delay(START) is None


def test_nothing_is_overdue_twice_and_a_held_question_can_still_be_answered() -> None:
    table, asked = QuestionTable(MessageTable()), question(on_expiry=OnExpiry.HOLD)
    table.put(asked, START)
    table.pop_overdue(at(100.0))
    assert table.pop_overdue(at(1e9)) == []
    table.answer(asked, "bob", "yes", 200.0)
    assert (asked.state, asked.answer, asked.ended_by) == (QuestionState.ANSWERED, "yes", "bob")


def test_an_answered_question_does_not_expire() -> None:
    table, asked = QuestionTable(MessageTable()), question()
    table.put(asked, START)
    table.answer(asked, "bob", "yes", 50.0)
    assert table.pop_overdue(at(1e9)) == []
    assert asked.state is QuestionState.ANSWERED


def test_a_load_keeps_every_message_as_it_was() -> None:
    table, held = QuestionTable(MessageTable()), question(2, on_expiry=OnExpiry.HOLD)
    held.state = QuestionState.HELD
    asked = question(9)
    table.put(asked, START)
    table.load([question(1), held, question(3, expires_at=None)])
    assert set(table.open) == {1, 2, 3}
    assert table.table.take_effects().questions == {9: asked}
    assert [each.id for each in table.pop_overdue(at(1e9))] == [1]


class QuestionMachine(RuleBasedStateMachine):
    """Applies random operations to questions, and compares with the expected states."""

    def __init__(self) -> None:
        super().__init__()
        self.table = QuestionTable(MessageTable())
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
        self.table.put(asked, START)

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        if self.table.open:
            asked = data.draw(st.sampled_from(list(self.table.open.values())))
            self.table.answer(asked, asked.target, "yes", self.now)
            self.ended[asked.id] = QuestionState.ANSWERED

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.table.open:
            asked = data.draw(st.sampled_from(list(self.table.open.values())))
            self.table.cancel(asked, asked.asker, self.now)
            self.ended[asked.id] = QuestionState.CANCELLED

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for asked in self.table.pop_overdue(at(self.now)):
            if asked.on_expiry is OnExpiry.DENY:
                self.ended[asked.id] = QuestionState.EXPIRED

    @rule()
    def restart(self) -> None:
        assert set(self.table.table.take_effects().questions) <= set(self.all)
        self.table.load([each for each in self.all.values() if each.ended_at is None])

    @invariant()
    def an_end_is_for_good_and_nothing_else_is_forgotten(self) -> None:
        assert {n: self.all[n].state for n in self.ended} == self.ended
        assert set(self.table.open) == set(self.all) - set(self.ended)

    @invariant()
    def nobody_waits_beyond_the_deadline(self) -> None:
        for asked in self.table.open.values():
            late = asked.expires_at is not None and asked.expires_at < self.now
            assert asked.state is not QuestionState.OPEN or not late


QuestionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLife = QuestionMachine.TestCase
