"""The rules about what is seen and what is asked next."""

import pytest

from hive.machines.systemd.commands import Outcome
from hive.machines.systemd.states import (
    KILL_PLAN,
    Gone,
    NotStarted,
    Replaced,
    Same,
    Stage,
    Step,
    Up,
    Wait,
    in_vain,
    is_passing,
    judge_start,
    observe,
    stop_plan,
)
from hive.machines.systemd.views import Active, Unit, View


def unit(active: str, invocation: str = "old", *, job: bool = False) -> Unit:
    return Unit(id="u", active=Active(active), invocation=invocation, job=job)


def outcome(status: int | None) -> Outcome:
    return Outcome(("tool",), status, "", "", 1.0)


def test_a_stop_asks_politely_then_twice_firmly_then_kills() -> None:
    assert stop_plan(60) == (
        Stage(Step.POWEROFF, 56),
        Stage(Step.TERMINATE, 2),
        Stage(Step.TERMINATE, 2),
        *KILL_PLAN,
    )


@pytest.mark.parametrize("deadline", [0.1, 1, 7.5, 13.4, 600])
def test_the_kill_comes_at_the_deadline(deadline: float) -> None:
    before = [stage.patience for stage in stop_plan(deadline) if stage.step is not Step.KILL]
    assert len(before) == 3
    assert sum(before) == pytest.approx(deadline)
    assert before[0] > before[1] > 0


def test_without_time_there_is_only_the_kill() -> None:
    assert stop_plan(0) == KILL_PLAN


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (unit("active"), Same()),
        (unit("reloading"), Same()),
        (unit("deactivating"), Same()),
        (unit("active", "new"), Replaced(unit("active", "new"))),
        (unit("activating", "new"), Same()),
        (unit("inactive", job=True), Same()),
        (unit("failed", job=True), Same()),
        (unit("inactive", ""), Gone(unit("inactive", ""))),
        (unit("failed"), Gone(unit("failed"))),
        (unit("maintenance"), Same()),
    ],
)
def test_what_became_of_a_run(seen: Unit, verdict: object) -> None:
    assert observe("old", seen) == verdict


@pytest.mark.parametrize(
    ("seen", "leader", "status", "verdict"),
    [
        (unit("active", "new"), 7, "runs", Up()),
        (unit("active", "new"), 7, 1, Up()),
        (unit("active", "new"), None, 0, Wait()),
        (unit("active", "old"), 7, 0, Wait()),
        (unit("activating", "new"), None, "runs", Wait()),
        (unit("activating", "new"), None, 1, Wait()),
        (unit("inactive", ""), None, "runs", Wait()),
        (unit("inactive", ""), None, 0, Wait()),
        (unit("inactive", ""), None, 1, NotStarted(outcome(1))),
        (unit("inactive", ""), None, None, NotStarted(outcome(None))),
        (unit("failed", "old"), None, "runs", Wait()),
        (unit("failed", "old"), None, 0, Wait()),
        (unit("failed", "new"), None, "runs", NotStarted(None)),
        (unit("failed", "new", job=True), None, 1, Wait()),
    ],
)
def test_how_a_start_goes(
    seen: Unit, leader: int | None, status: int | str | None, verdict: object
) -> None:
    done = None if status == "runs" else outcome(status)  # type: ignore[arg-type]
    assert judge_start("old", View(seen, leader), done) == verdict


@pytest.mark.parametrize(
    ("words", "passing"),
    [
        ("Failed to register machine: Machine 'h-alice' already exists", True),
        ("umount: Device or Resource BUSY", True),
        ("Access denied", False),
        ("", False),
    ],
)
def test_which_refusals_may_pass(words: str, passing: bool) -> None:
    assert is_passing(words) is passing


def test_a_request_is_in_vain_if_it_was_refused_and_all_is_as_before() -> None:
    assert in_vain(outcome(1), unit("active"))
    assert in_vain(outcome(None), unit("active"))
    assert not in_vain(outcome(0), unit("active"))
    assert not in_vain(outcome(1), unit("deactivating"))
