"""The rules of the queue of starts, alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hive.names import MANAGER
from hive.participants.start_queue import StartQueue

NAMES = st.sampled_from("abcdefgh")


def filled(at_once: int, *others: str, requested: tuple[str, ...] = ()) -> StartQueue:
    queue = StartQueue(at_once)
    for name in others:
        queue.enter(name, requested=False)
    for name in requested:
        queue.enter(name, requested=True)
    return queue


def test_a_few_start_at_a_time_in_their_order() -> None:
    queue = filled(2, *"abcd")
    assert queue.advance() == ["a", "b"]
    assert queue.advance() == []
    queue.leave("a")
    assert queue.advance() == ["c"]
    assert queue.waiting == ("d",)


def test_requested_starts_come_first() -> None:
    queue = filled(1, "a", "b", "c", requested=("x", "y"))
    queue.prefer("c")
    assert queue.waiting == ("x", "y", "c", "a", "b")
    queue.prefer("unknown")
    queue.prefer("x")
    assert queue.waiting == ("x", "y", "c", "a", "b")


def test_the_manager_comes_first_whatever_was_requested() -> None:
    queue = filled(1, "a", MANAGER, requested=("x",))
    assert queue.waiting == (MANAGER, "x", "a")
    assert queue.advance() == [MANAGER]


def test_an_agent_has_one_place() -> None:
    queue = filled(1, "a", "b")
    assert queue.advance() == ["a"]
    queue.enter("a", requested=True)
    queue.enter("b", requested=True)
    assert queue.waiting == ("b",)
    assert queue.starting == {"a"}


def test_one_that_must_not_wait_starts_above_the_limit() -> None:
    queue = filled(1, "a", "b", "c")
    queue.advance()
    queue.admit_now("c")
    queue.admit_now("unknown")
    assert queue.starting == {"a", "c"}
    queue.leave("a")
    assert queue.advance() == [], "the limit counts it"


@pytest.mark.parametrize(("at_once", "admitted"), [(0, []), (1, []), (3, ["b", "c"])])
def test_the_limit_may_change(at_once: int, admitted: list[str]) -> None:
    queue = filled(1, *"abcd")
    queue.advance()
    queue.at_once = at_once
    assert queue.advance() == admitted


class AnyOrder(RuleBasedStateMachine):
    """Agents that come, go and start in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = StartQueue(2)

    @rule(name=NAMES, requested=st.booleans())
    def enter(self, name: str, requested: bool) -> None:
        self.queue.enter(name, requested=requested)

    @rule(name=NAMES)
    def prefer(self, name: str) -> None:
        self.queue.prefer(name)

    @rule(name=NAMES)
    def leave(self, name: str) -> None:
        self.queue.leave(name)

    @rule(name=NAMES)
    def admit_now(self, name: str) -> None:
        self.queue.admit_now(name)

    @rule(at_once=st.integers(1, 4))
    def change(self, at_once: int) -> None:
        before = self.queue.starting
        self.queue.at_once = at_once
        assert self.queue.starting == before, "who starts already goes on"

    @rule()
    def advance(self) -> None:
        expected = self.queue.waiting
        admitted = self.queue.advance()
        assert tuple(admitted) == expected[: len(admitted)]
        assert not self.queue.waiting or len(self.queue.starting) >= self.queue.at_once
        if admitted:
            assert len(self.queue.starting) <= self.queue.at_once

    @invariant()
    def each_is_in_one_place(self) -> None:
        waiting = self.queue.waiting
        assert len(set(waiting)) == len(waiting)
        assert not set(waiting) & self.queue.starting


TestAnyOrder = AnyOrder.TestCase


@given(st.lists(st.tuples(NAMES, st.booleans()), unique_by=lambda each: each[0]), st.integers(1, 4))
def test_all_start_in_the_end(agents: list[tuple[str, bool]], at_once: int) -> None:
    queue = StartQueue(at_once)
    for name, requested in agents:
        queue.enter(name, requested=requested)
    started = []
    while admitted := queue.advance():
        started += admitted
        for name in admitted:
            queue.leave(name)
    assert started == [n for n, asked in agents if asked] + [n for n, asked in agents if not asked]
