"""Parked receivers are served in the order of their requests, at the same cost however many wait.

A hostile participant may park as many as its connections allow; nobody else pays for them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from hive.broker.sessions import PARKED_MAX
from hive.config import Limits
from hive.errors import ConflictError
from hive.store import MessageKind
from hive.wire import agent as wire
from hive.wire.enums import Priority
from tests.broker.rig import Receiver, Rig, RigSession

GENEROUS = Limits(rate=1_000_000, inbox_messages=100_000, pair_rate=1_000_000, max_attempts=1000)


def steps(act: Callable[[], object]) -> int:
    """Return the number of calls, of Python and of C functions, that `act` makes."""
    count = 0

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def crowd(rig: Rig, sessions: int, *, urgent: bool, each: int = PARKED_MAX) -> list[RigSession]:
    """Park receivers of bob's mail."""
    found = [rig.session() for _ in range(sessions)]
    for number, session in enumerate(found):
        for place in range(each):
            rig.recv(session, wait=60 + number + place / 1000, urgent=urgent)
    return found


def test_a_session_parks_a_limited_number_of_receivers() -> None:
    rig = Rig()
    session = rig.session()
    ears = [rig.recv(session, wait=30, urgent=bool(each % 2)) for each in range(PARKED_MAX)]
    number = rig.send(priority=Priority.HIGH).ids[0]
    assert rig.ids(ears[0]) == [number]
    rig.recv(session, wait=30)
    with pytest.raises(ConflictError, match=f"{PARKED_MAX} 'recv' that wait"):
        rig.recv(session, wait=30)
    assert rig.take(session) == [], "one that does not wait is answered"
    rig.recv(rig.session(), wait=30)


def test_a_recv_that_is_refused_acks_nothing() -> None:
    rig = Rig()
    session = rig.session()
    number = rig.send().ids[0]
    assert rig.take(session) == [number]
    for _ in range(PARKED_MAX):
        rig.recv(session, wait=30)
    request = wire.Recv(wait_seconds=30, ack=[number])
    with pytest.raises(ConflictError, match="nothing was done"):
        rig.rules.recv(session, request, Receiver(), rig.now)
    assert rig.ack(session, number) == {}


def test_a_place_is_free_again_after_each_end_of_a_wait() -> None:
    rig = Rig()
    session = rig.session()
    for _ in range(3):
        ears = [rig.recv(session, wait=30) for _ in range(PARKED_MAX)]
        rig.send()
        rig.advance(31)
        assert all(rig.got(ear) is not None for ear in ears)
    assert not session.parked
    assert rig.rules.table.inboxes["bob"].parked == ()


@pytest.mark.parametrize("urgent", [True, False])
def test_a_send_costs_the_same_however_many_receivers_wait(urgent: bool) -> None:
    costs = []
    for sessions in (1, 50):
        rig = Rig(GENEROUS)
        crowd(rig, sessions, urgent=urgent)
        rig.send()
        costs.append(steps(lambda rig=rig: rig.send()))  # type: ignore[misc]
    assert costs[1] <= costs[0] + 20, "the collector may add some"


def test_receivers_whose_clients_have_gone_are_looked_at_once() -> None:
    rig = Rig(GENEROUS)
    ears = [
        rig.recv(session, wait=60, urgent=bool(each % 2))
        for session in [rig.session() for _ in range(20)]
        for each in range(50)
    ]
    few = steps(lambda: rig.send("carol"))
    for ear in ears:
        ear.expired = True
    first = steps(lambda: rig.send(priority=Priority.HIGH))
    assert first < 10 * len(ears)
    assert steps(lambda: rig.send(priority=Priority.HIGH)) < 2 * few
    assert rig.rules.table.inboxes["bob"].parked == ()


def test_closing_a_session_costs_only_its_own_receivers() -> None:
    costs = []
    for sessions in (2, 50):
        rig = Rig(GENEROUS)
        first, *_ = crowd(rig, sessions, urgent=True)
        for _ in range(3):
            rig.send()
        costs.append(steps(lambda rig=rig, first=first: rig.close(first)))  # type: ignore[misc]
    assert costs[1] <= costs[0] + 20, "the collector may add some"


def test_waits_of_any_length_end_in_time_without_a_walk_over_the_others() -> None:
    costs = []
    for sessions in (2, 50):
        rig = Rig(GENEROUS)
        crowd(rig, sessions, urgent=True)
        costs.append(steps(lambda rig=rig: rig.advance(60.0005)))  # type: ignore[misc]
    assert costs[1] <= costs[0] + 20, "the collector may add some"


def test_a_transient_message_is_dropped_if_nobody_would_get_it() -> None:
    rig = Rig()
    more = {"kind": MessageKind.MESSAGE, "transient": True}
    assert rig.send(**more).id is None
    urgent = rig.recv(rig.session(), wait=30, urgent=True)
    assert rig.send(**more).id is None
    gone = rig.recv(rig.session(), wait=30)
    gone.expired = True
    assert rig.send(**more).id is None
    sent = rig.send(priority=Priority.HIGH, **more).ids
    assert tuple(rig.ids(urgent) or ()) == sent


@define(eq=False)
class Naive:
    """What each receiver gets: at each step, the first in the order of requests that fits."""

    ready: list[tuple[int, int]] = field(factory=list)
    ears: list[tuple[Receiver, RigSession, bool]] = field(factory=list)
    got: dict[Receiver, list[int]] = field(factory=dict)
    paused: bool = False

    def settle(self) -> None:
        while self.ready and not self.paused:
            rank, number = min(self.ready)
            for ear, _, urgent in self.ears:
                if not ear.expired and (rank < 0 or not urgent):
                    break
            else:
                return
            self.ears = [each for each in self.ears if each[0] is not ear]
            self.ready.remove((rank, number))
            self.got[ear] = [number]


ranks = {Priority.HIGH: -1, Priority.NORMAL: 0, Priority.LOW: 1}
parks = st.tuples(st.just("park"), st.integers(0, 2), st.booleans())
sends = st.tuples(st.just("send"), st.sampled_from(list(ranks)), st.none())
moves = st.lists(
    st.one_of(
        *[parks] * 4,
        *[sends] * 4,
        st.tuples(st.just("leave"), st.integers(0, 5), st.none()),
        st.tuples(st.just("close"), st.integers(0, 2), st.none()),
        st.tuples(st.just("pause"), st.booleans(), st.none()),
    ),
    min_size=3,
    max_size=30,
)


@settings(max_examples=200)
@given(moves)
def test_receivers_get_what_a_walk_over_all_of_them_would_give(
    script: list[tuple[str, Any, Any]],
) -> None:
    rig, naive = Rig(GENEROUS), Naive()
    sessions = [rig.session() for _ in range(3)]
    rank_of: dict[int, int] = {}
    ears: list[Receiver] = []
    for move, value, urgent in script:
        if move == "park":
            ear = rig.recv(sessions[value], wait=1000, urgent=urgent)
            ears.append(ear)
            naive.ears.append((ear, sessions[value], urgent))
        elif move == "send":
            number = rig.send(priority=value).ids[0]
            rank_of[number] = ranks[value]
            naive.ready.append((ranks[value], number))
        elif move == "leave" and value < len(naive.ears):
            naive.ears[value][0].expired = True
        elif move == "pause":
            rig.rules.pause_inbox("bob", value, rig.now)
            rig.collect()
            if value and not naive.paused:
                naive.got.update((ear, []) for ear, _, _ in naive.ears)
                naive.ears = []
            naive.paused = value
        elif move == "close":
            closed, sessions[value] = sessions[value], rig.session()
            for ear, session, _ in naive.ears:
                if session is closed:
                    naive.got[ear] = []
            naive.ears = [each for each in naive.ears if each[1] is not closed]
            for grant in rig.grants.values():
                if grant.parked.session is closed:
                    naive.ready += [
                        (rank_of[each.id], each.id)
                        for each in grant.messages
                        if each.id in closed.held
                    ]
            rig.close(closed)
            rig.collect()
        naive.settle()
        alive = [ear for ear in ears if not ear.expired]
        assert {ear: rig.ids(ear) for ear in alive} == {ear: naive.got.get(ear) for ear in alive}
