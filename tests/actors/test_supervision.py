"""The decisions of a supervisor, without any actor: events in, steps out."""

from random import Random
from typing import Any

import pytest
from attrs import evolve

from actors import (
    AutoShutdown,
    Backoff,
    ChildExists,
    ChildIsParked,
    ChildNotParked,
    ChildRunning,
    ChildSpec,
    ChildState,
    Crashed,
    Normal,
    NoSuchChild,
    Restart,
    RestartLimit,
    RestartLimitReached,
    Shutdown,
    SignificantChildEnded,
    StartFailed,
    Strategy,
    SupervisorSpec,
)
from actors._supervision import (
    AbortStart,
    Delete,
    Escalate,
    NotStarted,
    Park,
    Ready,
    Release,
    Retry,
    Start,
    Started,
    Step,
    Stop,
    Supervision,
)
from actors.testing import FlakyActor

CRASH = Crashed(ValueError("bug"))
NO_START = StartFailed(OSError("no disk"))
ONE_SECOND = Backoff(base=1.0, jitter=0.0)


def spec(child_id: str, **settings: Any) -> ChildSpec[Any]:
    return ChildSpec(child_id, FlakyActor, **settings)


def supervision(*children: ChildSpec[Any], **settings: Any) -> Supervision:
    settings.setdefault("limit", RestartLimit(100, within=5.0))
    return Supervision(SupervisorSpec(children, **settings), Random(0))


def running(*children: ChildSpec[Any], **settings: Any) -> Supervision:
    """Return a supervision whose children are all up, at time 0."""
    rules = supervision(*children, **settings)
    rules.begin(0.0)
    for child in children:
        rules.started(child.id, 0.0)
    assert {child.state for child in rules} == {ChildState.RUNNING}
    return rules


def moves(steps: list[Step]) -> list[Step]:
    """Leave out the steps that only inform."""
    return [step for step in steps if isinstance(step, Start | Stop | Release | Delete | Escalate)]


def states(rules: Supervision) -> dict[str, ChildState]:
    return {child.id: child.state for child in rules}


# Starting


def test_initial_children_start_one_after_the_other() -> None:
    rules = supervision(spec("a"), spec("b"))
    assert rules.begin(0.0) == [Start("a")]
    assert rules.started("a", 1.0) == [Started("a"), Start("b")]
    assert rules.started("b", 2.0) == [Started("b"), Ready()]


def test_a_supervisor_without_children_is_ready_at_once() -> None:
    assert supervision().begin(0.0) == [Ready()]


def test_an_initial_child_that_fails_fails_the_supervisor() -> None:
    rules = supervision(spec("a"), spec("b"))
    rules.begin(0.0)
    rules.started("a", 0.0)
    assert rules.ended("b", NO_START, 1.0) == [AbortStart("b", NO_START)]
    assert rules.time_passed(100.0) == []


def test_an_added_child_that_fails_at_first_is_deleted() -> None:
    rules = running(spec("a"))
    assert rules.add(spec("b"), 1.0, retry_first_start=False) == [Start("b")]
    assert rules.ended("b", NO_START, 2.0) == [NotStarted("b", NO_START), Delete("b", NO_START)]
    assert states(rules) == {"a": ChildState.RUNNING}


def test_a_forgiven_first_failure_is_a_failing_restart() -> None:
    rules = running(spec("a"))
    rules.add(spec("b", backoff=ONE_SECOND), 1.0, retry_first_start=True)
    assert Retry("b", 1.0, 1, NO_START) in rules.ended("b", NO_START, 2.0)
    assert rules.next_due(2.0) == 3.0
    assert rules.time_passed(3.0) == [Start("b")]


def test_refusals_change_nothing() -> None:
    rules = running(spec("a"))
    with pytest.raises(ChildExists, match="'a' already exists"):
        rules.add(spec("a"), 1.0, retry_first_start=False)
    with pytest.raises(NoSuchChild, match="the children are: a"):
        rules.terminate("b", 1.0)
    with pytest.raises(ChildRunning, match="not stopped but running"):
        rules.restart("a", 1.0)
    with pytest.raises(ChildRunning):
        rules.delete("a", 2.0)
    with pytest.raises(ChildNotParked, match="not parked but running"):
        rules.revive("a", 1.0)
    with pytest.raises(ValueError, match="auto_shutdown"):
        rules.add(
            spec("c", restart=Restart.TRANSIENT, significant=True), 1.0, retry_first_start=False
        )
    assert states(rules) == {"a": ChildState.RUNNING}


# Restarting


def test_one_for_one_restarts_only_the_failed() -> None:
    rules = running(spec("a"), spec("b"), spec("c"))
    assert moves(rules.ended("b", CRASH, 1.0)) == [Start("b")]


def test_rest_for_one_stops_in_reverse_and_starts_in_order() -> None:
    rules = running(spec("a"), spec("b"), spec("c"), spec("d"), strategy=Strategy.REST_FOR_ONE)
    assert moves(rules.ended("b", CRASH, 1.0)) == [Stop("d")]
    assert moves(rules.ended("d", Shutdown(), 1.0)) == [Stop("c")]
    assert moves(rules.ended("c", Shutdown(), 1.0)) == [Start("b")]
    assert moves(rules.started("b", 1.0)) == [Start("c")]
    assert moves(rules.started("c", 1.0)) == [Start("d")]
    assert moves(rules.started("d", 1.0)) == []
    assert set(states(rules).values()) == {ChildState.RUNNING}


def test_one_for_all_restarts_everybody() -> None:
    rules = running(spec("a"), spec("b"), spec("c"), strategy=Strategy.ONE_FOR_ALL)
    assert moves(rules.ended("b", CRASH, 1.0)) == [Stop("c")]
    assert moves(rules.ended("c", Shutdown(), 1.0)) == [Stop("a")]
    assert moves(rules.ended("a", Shutdown(), 1.0)) == [Start("a")]
    assert moves(rules.started("a", 1.0)) == [Start("b")]
    assert moves(rules.started("b", 1.0)) == [Start("c")]


def test_the_group_waits_for_the_longest_delay() -> None:
    rules = running(
        spec("a", backoff=Backoff(base=9.0, jitter=0.0)),
        spec("b", backoff=ONE_SECOND),
        strategy=Strategy.ONE_FOR_ALL,
    )
    assert moves(rules.ended("b", CRASH, 0.0)) == [Stop("a")]
    assert rules.ended("a", Shutdown(), 0.0) == []
    assert rules.next_due(0.0) == 1.0
    assert rules.time_passed(1.0) == [Start("a")]
    assert Retry("a", 9.0, 1, CRASH) in rules.ended("a", CRASH, 1.5)
    assert rules.next_due(1.5) == 10.5
    assert rules.time_passed(5.0) == []
    assert rules.time_passed(10.5) == [Start("a")]


def test_a_further_failure_joins_the_group() -> None:
    rules = running(spec("a"), spec("b"), spec("c"), strategy=Strategy.ONE_FOR_ALL)
    assert moves(rules.ended("b", CRASH, 1.0)) == [Stop("c")]
    assert moves(rules.ended("a", CRASH, 1.0)) == []
    assert moves(rules.ended("c", Shutdown(), 1.0)) == [Start("a")]


def test_a_failing_restart_of_a_group_begins_again() -> None:
    rules = running(spec("a"), spec("b"), strategy=Strategy.ONE_FOR_ALL)
    rules.ended("a", CRASH, 1.0)
    rules.ended("b", Shutdown(), 1.0)
    assert moves(rules.started("a", 1.0)) == [Start("b")]
    assert moves(rules.ended("b", NO_START, 1.0)) == [Stop("a")]
    assert moves(rules.ended("a", Shutdown(), 1.0)) == [Start("a")]


def test_a_temporary_sibling_is_stopped_and_deleted() -> None:
    rules = running(spec("a"), spec("t", restart=Restart.TEMPORARY), strategy=Strategy.ONE_FOR_ALL)
    assert moves(rules.ended("a", CRASH, 1.0)) == [Stop("t")]
    assert moves(rules.ended("t", Shutdown(), 1.0)) == [Delete("t", Shutdown()), Start("a")]
    assert states(rules) == {"a": ChildState.STARTING}


def test_a_stopped_child_is_left_alone_by_a_group_restart() -> None:
    rules = running(spec("a"), spec("b"), strategy=Strategy.ONE_FOR_ALL)
    rules.terminate("b", 1.0)
    rules.ended("b", Shutdown(), 1.0)
    assert moves(rules.ended("a", CRASH, 2.0)) == [Start("a")]
    assert states(rules)["b"] is ChildState.STOPPED


# Limits


def test_one_restart_too_many_gives_up() -> None:
    rules = running(spec("a"), limit=RestartLimit(1, within=5.0))
    assert moves(rules.ended("a", CRASH, 0.0)) == [Start("a")]
    rules.started("a", 0.0)
    reached = RestartLimitReached("a", 1, 5.0, CRASH)
    assert moves(rules.ended("a", CRASH, 5.0)) == [Escalate(Shutdown(reached))]
    assert rules.time_passed(100.0) == []


def test_a_failing_restart_counts() -> None:
    rules = running(spec("a"), limit=RestartLimit(1, within=5.0))
    rules.ended("a", CRASH, 0.0)
    steps = rules.ended("a", NO_START, 0.0)
    assert moves(steps) == [Escalate(Shutdown(RestartLimitReached("a", 1, 5.0, NO_START)))]


def test_a_group_restart_counts_once() -> None:
    rules = running(
        spec("a"), spec("b"), strategy=Strategy.ONE_FOR_ALL, limit=RestartLimit(1, within=5.0)
    )
    rules.ended("a", CRASH, 0.0)
    rules.ended("b", Shutdown(), 0.0)
    rules.started("a", 0.0)
    rules.started("b", 0.0)
    assert set(states(rules).values()) == {ChildState.RUNNING}


def test_an_exhausted_budget_parks_and_spares_the_siblings() -> None:
    rules = running(
        spec("a", budget=RestartLimit(1, within=60.0)),
        spec("b"),
        strategy=Strategy.ONE_FOR_ALL,
        limit=RestartLimit(0),
    )
    rules.ended("a", CRASH, 0.0)
    rules.ended("b", Shutdown(), 0.0)
    rules.started("a", 0.0)
    rules.started("b", 0.0)
    steps = rules.ended("a", CRASH, 1.0)
    assert Park("a", CRASH) in steps
    assert moves(steps) == [Release("a", CRASH)]
    assert states(rules) == {"a": ChildState.PARKED, "b": ChildState.RUNNING}


def test_a_failure_that_a_restart_would_not_mend_parks_at_once() -> None:
    rules = running(
        spec("a", budget=RestartLimit(9, within=60.0), prevent_restart=lambda why: why == CRASH),
        spec("b"),
    )
    assert any(isinstance(step, Retry) for step in rules.ended("a", Crashed(OSError()), 0.0))
    rules.time_passed(0.0)
    rules.started("a", 0.0)
    assert Park("a", CRASH) in rules.ended("a", CRASH, 1.0)
    assert states(rules) == {"a": ChildState.PARKED, "b": ChildState.RUNNING}


def test_a_start_that_another_attempt_would_not_mend_parks_at_once() -> None:
    rules = running(spec("b"))
    hopeless = spec("a", budget=RestartLimit(9, within=60.0), prevent_restart=lambda _: True)
    rules.add(hopeless, 0.0, retry_first_start=True)
    assert Park("a", NO_START) in rules.ended("a", NO_START, 0.0)


def test_a_graceful_end_of_a_transient_child_is_no_failure_to_be_judged() -> None:
    child = spec("a", budget=RestartLimit(1), prevent_restart=lambda _: True)
    rules = running(evolve(child, restart=Restart.TRANSIENT))
    rules.ended("a", Normal(), 1.0)
    assert states(rules) == {"a": ChildState.STOPPED}


def test_only_reviving_brings_a_parked_child_back() -> None:
    rules = running(spec("a", budget=RestartLimit(0, within=60.0)))
    rules.ended("a", CRASH, 0.0)
    assert rules.time_passed(10_000.0) == []
    with pytest.raises(ChildIsParked, match="it crashed with ValueError: bug"):
        rules.restart("a", 1.0)
    assert rules.revive("a", 1.0) == [Start("a")]


def test_reviving_gives_the_whole_budget_back() -> None:
    rules = running(spec("a", budget=RestartLimit(1, within=60.0)))
    for _ in range(2):
        rules.ended("a", CRASH, 0.0)
        rules.started("a", 0.0)
    rules.revive("a", 1.0)
    rules.started("a", 1.0)
    assert moves(rules.ended("a", CRASH, 2.0)) == [Start("a")]


# Back-off


def test_delays_grow_and_start_again_after_health() -> None:
    rules = running(spec("a", backoff=Backoff(base=1.0, jitter=0.0, reset_after=10.0)))
    delays = []
    now = 0.0
    for uptime in (1.0, 1.0, 10.0, 10.1, 1.0):
        now += uptime
        steps = rules.ended("a", CRASH, now)
        delays += [step.delay for step in steps if isinstance(step, Retry)]
        now += delays[-1]
        rules.time_passed(now)
        rules.started("a", now)
    assert delays == [1.0, 2.0, 4.0, 1.0, 2.0]


def test_a_long_failing_start_is_no_health() -> None:
    rules = running(spec("a", backoff=Backoff(base=1.0, jitter=0.0, reset_after=10.0)))
    rules.ended("a", CRASH, 1.0)
    rules.time_passed(2.0)
    assert Retry("a", 2.0, 2, NO_START) in rules.ended("a", NO_START, 100.0)


# What operators ask for


@pytest.mark.parametrize("up", [False, True])
def test_terminating_wins_over_a_start(up: bool) -> None:
    rules = supervision(spec("a"))
    rules.begin(0.0)
    if up:
        rules.started("a", 0.0)
    assert moves(rules.terminate("a", 1.0)) == [Stop("a")]
    assert rules.started("a", 1.0) == []
    assert moves(rules.ended("a", CRASH, 1.0)) == [Release("a", CRASH)]
    assert states(rules) == {"a": ChildState.STOPPED}


def test_terminating_ends_a_delay() -> None:
    rules = running(spec("a", backoff=ONE_SECOND))
    rules.ended("a", CRASH, 0.0)
    assert moves(rules.terminate("a", 0.5)) == [Release("a", Shutdown())]
    assert rules.next_due(0.5) is None
    assert rules.time_passed(10.0) == []


def test_terminating_wins_over_a_group_restart() -> None:
    rules = running(spec("a"), spec("b"), strategy=Strategy.ONE_FOR_ALL)
    assert moves(rules.ended("a", CRASH, 0.0)) == [Stop("b")]
    assert moves(rules.terminate("b", 0.0)) == []
    assert moves(rules.ended("b", Shutdown(), 0.0)) == [Release("b", Shutdown()), Start("a")]
    rules.started("a", 0.0)
    assert states(rules) == {"a": ChildState.RUNNING, "b": ChildState.STOPPED}


def test_terminating_a_parked_child_makes_it_a_stopped_one() -> None:
    rules = running(spec("a", budget=RestartLimit(0)))
    rules.ended("a", CRASH, 0.0)
    rules.terminate("a", 1.0)
    assert rules.restart("a", 2.0) == [Start("a")]


def test_terminating_a_temporary_child_forgets_it() -> None:
    rules = running(spec("t", restart=Restart.TEMPORARY))
    rules.terminate("t", 1.0)
    assert moves(rules.ended("t", Shutdown(), 1.0)) == [Delete("t", Shutdown())]


def test_a_stopped_child_can_be_deleted() -> None:
    rules = running(spec("a"))
    rules.terminate("a", 1.0)
    rules.ended("a", Shutdown(), 1.0)
    assert rules.delete("a", 2.0) == [Delete("a", Shutdown())]
    assert states(rules) == {}


@pytest.mark.parametrize("event", ["delete", "started", "terminate", "ended"])
def test_whatever_happens_starts_what_is_due(event: str) -> None:
    rules = running(spec("a", backoff=ONE_SECOND), spec("b"), spec("c"))
    rules.terminate("b", 0.0)
    if event == "delete":
        rules.ended("b", Shutdown(), 0.0)
    rules.ended("a", CRASH, 0.0)
    act = {
        "delete": lambda: rules.delete("b", 5.0),
        "started": lambda: rules.started("b", 5.0),
        "terminate": lambda: rules.terminate("c", 5.0),
        "ended": lambda: rules.ended("b", Shutdown(), 5.0),
    }
    assert Start("a") in act[event]()


def test_replacing_starts_afresh_in_the_same_place() -> None:
    rules = running(spec("a"), spec("b"))
    assert moves(rules.replace(spec("a", backoff=ONE_SECOND), 1.0)) == [Stop("a")]
    assert moves(rules.ended("a", Shutdown(), 1.0)) == [Start("a")]
    rules.started("a", 1.0)
    assert list(states(rules)) == ["a", "b"]
    assert rules.child("a").spec.backoff == ONE_SECOND


def test_replacing_a_stopped_child_leaves_it_stopped() -> None:
    rules = running(spec("a"))
    rules.terminate("a", 1.0)
    rules.ended("a", Shutdown(), 1.0)
    assert moves(rules.replace(spec("a"), 2.0)) == []
    assert states(rules) == {"a": ChildState.STOPPED}


def test_replacing_ends_a_delay() -> None:
    rules = running(spec("a", backoff=ONE_SECOND))
    rules.ended("a", CRASH, 0.0)
    assert moves(rules.replace(spec("a"), 0.5)) == [Start("a")]


# Significant children


def significant(child_id: str, restart: Restart = Restart.TRANSIENT) -> ChildSpec[Any]:
    return spec(child_id, restart=restart, significant=True)


def test_any_significant_end_stops_the_supervisor() -> None:
    rules = running(significant("a"), significant("b"), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    assert Escalate(Shutdown(SignificantChildEnded("a"))) in rules.ended("a", Normal(), 1.0)


def test_the_last_significant_end_stops_the_supervisor() -> None:
    rules = running(
        significant("a"),
        significant("b", Restart.TEMPORARY),
        spec("c"),
        auto_shutdown=AutoShutdown.ALL_SIGNIFICANT,
    )
    assert moves(rules.ended("a", Normal(), 1.0)) == [Release("a", Normal())]
    assert Escalate(Shutdown(SignificantChildEnded("b"))) in rules.ended("b", CRASH, 2.0)


def test_a_significant_child_that_is_restarted_does_not_count() -> None:
    rules = running(significant("a"), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    assert moves(rules.ended("a", CRASH, 1.0)) == [Start("a")]


def test_a_significant_child_that_was_stopped_does_not_count() -> None:
    rules = running(significant("a"), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    rules.terminate("a", 1.0)
    assert moves(rules.ended("a", Shutdown(), 1.0)) == [Release("a", Shutdown())]


# Many children


def test_the_start_of_many_children_looks_at_each_only_a_few_times_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 100
    rules = supervision(
        *(spec(f"c{number}", budget=RestartLimit(1, 5.0)) for number in range(count))
    )
    seen = 0
    plain = Supervision.__iter__

    def counting(self: Supervision) -> Any:
        nonlocal seen
        for child in plain(self):
            seen += 1
            yield child

    monkeypatch.setattr(Supervision, "__iter__", counting)
    steps = rules.begin(0.0)
    for number in range(count):
        assert Start(f"c{number}") in steps
        steps = rules.started(f"c{number}", 0.0)
    assert Ready() in steps
    assert seen <= 10 * count * count, "not the square for each"
