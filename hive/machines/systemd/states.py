"""The rules: what a state means, what is asked next, and how long it is waited for.

All pure; the runtime asks, looks, and does what these say.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from hive.machines.runtime import KILL_SECONDS
from hive.machines.systemd.commands import Outcome
from hive.machines.systemd.views import Active, Unit, View

TERMINATE_SECONDS = 2.0
"""How long one `terminate` is waited for, at most."""

TERMINATE_SHARE = 0.15
"""The part of a stop's deadline that one `terminate` is waited for, if that is less."""

RETRY_DELAYS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds before each further try to start what the last container of that name still blocks."""

_PASSING = ("already exists", "device or resource busy")
"""What systemd and nspawn say when they are not done with the last container of that name."""


class Step(Enum):
    """What a container may be asked so that it ends, from polite to final."""

    POWEROFF = "poweroff"
    TERMINATE = "terminate"
    KILL = "kill"


@frozen
class Stage:
    """One request, and how many seconds its effect is waited for before the next."""

    step: Step
    patience: float


KILL_PLAN = (Stage(Step.KILL, KILL_SECONDS / 3), Stage(Step.KILL, KILL_SECONDS * 2 / 3))
"""A kill takes effect when the kernel lets go of the processes, which a full disk can delay."""


def stop_plan(deadline: float) -> tuple[Stage, ...]:
    """Return the requests of a stop; the first kill comes `deadline` seconds after the start.

    `terminate` is asked twice, since one may have no effect (systemd#40282).
    """
    terminate = min(TERMINATE_SECONDS, deadline * TERMINATE_SHARE)
    polite = (
        Stage(Step.POWEROFF, deadline - 2 * terminate),
        Stage(Step.TERMINATE, terminate),
        Stage(Step.TERMINATE, terminate),
    )
    return (*(stage for stage in polite if stage.patience > 0), *KILL_PLAN)


def in_vain(outcome: Outcome, unit: Unit) -> bool:
    """Return whether a request to end was refused, so that there is no effect to wait for."""
    return not outcome.ok and unit.active.up


@frozen
class Same:
    """It runs, or is between two states: nothing to report yet."""


@frozen
class Replaced:
    """It runs, but not the run we know: somebody else restarted it."""

    unit: Unit


@frozen
class Gone:
    """It has ended and nobody is about to start it."""

    unit: Unit


def observe(invocation: str, unit: Unit) -> Same | Replaced | Gone:
    """Say what became of the run with this InvocationID.

    Between the stop and the start of a `systemctl restart` the unit is down with a job queued:
    that is no end.
    """
    if unit.active.up and unit.invocation != invocation:
        return Replaced(unit)
    if unit.active.down and not unit.job:
        return Gone(unit)
    return Same()


@frozen
class Wait:
    """Look again later."""


@frozen
class Up:
    """It was started and runs."""


@frozen
class NotStarted:
    """The start failed, with the tool's words if it said any."""

    outcome: Outcome | None


def judge_start(before: str, view: View, outcome: Outcome | None) -> Wait | Up | NotStarted:
    """Say how a requested start goes.

    Args:
        before: The InvocationID that the unit had when the start was requested.
        view: What is seen now.
        outcome: What became of the command; None while it runs.
    """
    unit = view.unit
    if unit.active.up and unit.invocation != before:
        return Up() if view.registered else Wait()
    if not unit.active.down or unit.job:
        return Wait()
    if outcome is not None and not outcome.ok:
        return NotStarted(outcome)
    if unit.active is Active.FAILED and unit.invocation != before:
        return NotStarted(outcome)
    return Wait()


def is_passing(words: str) -> bool:
    """Return whether a failed start may succeed if it is tried again in a moment."""
    said = words.casefold()
    return any(phrase in said for phrase in _PASSING)
