"""The rules from unit states to the next request."""

import pytest

from hive.machines.systemd.transitions import (
    KILL_PLAN,
    RunEnded,
    RunReplaced,
    RunUnchanged,
    StartDone,
    StartFailed,
    StartPending,
    StopRequest,
    StopStage,
    abort_is_due,
    is_transient,
    start_progress,
    stop_plan,
    transition,
    was_refused,
)
from hive.machines.systemd.unit_state import Active, ContainerState, UnitState
from hive.subprocesses import Outcome


def unit(active: str, invocation: str = "old", *, job: bool = False) -> UnitState:
    return UnitState(id="u", active=Active(active), invocation=invocation, job=job)


def outcome(status: int | None) -> Outcome:
    return Outcome(("tool",), status, "", "", 1.0)


def test_a_stop_is_poweroff_then_two_terminates_then_a_kill() -> None:
    assert stop_plan(60) == (
        StopStage(StopRequest.POWEROFF, 56),
        StopStage(StopRequest.TERMINATE, 2),
        StopStage(StopRequest.TERMINATE, 2),
        *KILL_PLAN,
    )


@pytest.mark.parametrize("deadline", [0.1, 1, 7.5, 13.4, 600])
def test_the_kill_comes_at_the_deadline(deadline: float) -> None:
    before = [
        stage.seconds for stage in stop_plan(deadline) if stage.request is not StopRequest.KILL
    ]
    assert len(before) == 3
    assert sum(before) == pytest.approx(deadline)
    assert before[0] > before[1] > 0


def test_a_stop_without_time_is_a_kill() -> None:
    assert stop_plan(0) == KILL_PLAN


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (unit("active"), RunUnchanged()),
        (unit("reloading"), RunUnchanged()),
        (unit("refreshing"), RunUnchanged()),
        (unit("deactivating"), RunUnchanged()),
        (unit("active", "new"), RunReplaced(unit("active", "new"))),
        (unit("activating", "new"), RunUnchanged()),
        (unit("inactive", job=True), RunUnchanged()),
        (unit("failed", job=True), RunUnchanged()),
        (unit("inactive", ""), RunEnded(unit("inactive", ""))),
        (unit("failed"), RunEnded(unit("failed"))),
        (unit("maintenance"), RunUnchanged()),
    ],
)
def test_a_unit_state_decides_whether_the_run_has_ended(seen: UnitState, verdict: object) -> None:
    assert transition("old", seen) == verdict


@pytest.mark.parametrize(
    ("seen", "leader", "status", "verdict"),
    [
        (unit("active", "new"), 7, "runs", StartDone()),
        (unit("active", "new"), 7, 1, StartDone()),
        (unit("active", "new"), None, 0, StartPending()),
        (unit("active", "old"), 7, 0, StartPending()),
        (unit("activating", "new"), None, "runs", StartPending()),
        (unit("activating", "new"), None, 1, StartPending()),
        (unit("inactive", ""), None, "runs", StartPending()),
        (unit("inactive", ""), None, 0, StartPending()),
        (unit("inactive", ""), None, 1, StartFailed(outcome(1))),
        (unit("inactive", ""), None, None, StartFailed(outcome(None))),
        (unit("failed", "old"), None, "runs", StartPending()),
        (unit("failed", "old"), None, 0, StartPending()),
        (unit("failed", "new"), None, "runs", StartFailed(None)),
        (unit("failed", "new", job=True), None, 1, StartPending()),
    ],
)
def test_a_start_succeeds_fails_or_is_repeated(
    seen: UnitState, leader: int | None, status: int | str | None, verdict: object
) -> None:
    done = None if status == "runs" else outcome(status)  # type: ignore[arg-type]
    assert start_progress("old", ContainerState(seen, leader), done) == verdict


@pytest.mark.parametrize(
    ("words", "passing"),
    [
        ("Failed to register machine: Machine 'h-alice' already exists", True),
        ("umount: Device or Resource BUSY", True),
        ("Access denied", False),
        ("", False),
    ],
)
def test_some_refusals_are_temporary(words: str, passing: bool) -> None:
    assert is_transient(words) is passing


def test_a_refused_request_without_a_change_had_no_effect() -> None:
    assert was_refused(outcome(1), unit("active"))
    assert was_refused(outcome(None), unit("active"))
    assert not was_refused(outcome(0), unit("active"))
    assert not was_refused(outcome(1), unit("deactivating"))


@pytest.mark.parametrize("active", Active)
@pytest.mark.parametrize("job", [False, True])
@pytest.mark.parametrize("is_requested", [False, True])
def test_a_start_is_aborted_unless_it_is_over(
    active: Active, job: bool, is_requested: bool
) -> None:
    expected = not active.up and (is_requested or job or not active.down)
    assert abort_is_due(unit(active, job=job), is_requested=is_requested) is expected
