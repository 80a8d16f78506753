"""Rules for the state of a container: what a reading means, what to request next, how long to wait.

All pure. The runtime reads states and carries out what these rules say.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from hive.machines.runtime import KILL_SECONDS
from hive.machines.systemd.unit_state import Active, ContainerState, UnitState
from hive.subprocesses import Outcome

# The states of a container
#
# A container is a service of the host's systemd. Only what systemd and machined show counts, never
# the exit status of a command: `machinectl start` may succeed while nothing runs, hang after its
# work is done, or fail although the container is up (nixpkgs#144164). They show four facts:
#
#   ActiveState    one of eight words, a closed set; see org.freedesktop.systemd1(5)
#   InvocationID   different for each start; empty once systemd has forgotten a clean end
#   Job            whether a start, stop or restart is queued
#   Leader         the first process; absent while machined has no machine of that name
#
# The rules fold the eight words into three states:
#
#              start                   nspawn is ready
#      down -----------> between -----------------------------> up
#        ^                |   ^                                  |
#        |  nothing runs  |   |  stopped, or the agent has ended |
#        +----------------+   +----------------------------------+
#
#   up        active, reloading, refreshing
#   down      inactive, failed: nothing runs; they differ only in the cause (see `exit_cause`)
#   between   activating, deactivating, maintenance; and down with a job: wait for the next change
#
# The drop-in sets `Restart=no`, so systemd never starts a container by itself. A restart by others
# (`systemctl restart`) is seen as down with a job, then as up with another InvocationID. Hence
# `RunEnded` needs the absence of a job, and `RunReplaced` another id. `RunEnded` does not compare
# ids, since systemd may have forgotten the one that ended. `StartDone` needs an id other than that
# before the request, or the last run would pass for the new one; and it needs a leader, because
# machined accepts no request for a machine that it has not registered.
#
# Known races, and what covers them:
#
# - A signal is lost or late. It is only a reason to read, so the next one or the periodic
#   reconciliation yields the same result, later.
# - The run ends between a reading and the start of its watch. The watch begins with a reading.
# - The unit is down before machined has unregistered the machine, or before the kernel has released
#   its mounts: "already exists", "device or resource busy" (nixpkgs#43652). Starting waits for the
#   first and retries both.
# - `terminate` has no effect while a stop is in progress (systemd#40282). It is sent twice, then
#   everything in the unit is killed.
# - A run is too short to be seen up. If it failed, its new InvocationID shows it; if it ended
#   cleanly, it looks like a start that has not begun, and the grace after the command decides.

TERMINATE_SECONDS = 2.0
"""Longest time to wait for the effect of one `terminate`, in seconds."""

TERMINATE_SHARE = 0.15
"""Part of a stop's deadline to wait for the effect of one `terminate`, if that is shorter."""

RETRY_DELAYS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds before each retry of a request that the last container of that name still blocks."""

_TRANSIENT = ("already exists", "device or resource busy")
"""Words of systemd and nspawn while they clean up after the last container of that name."""


class StopRequest(Enum):
    """Ways to end a container, in the order of escalation."""

    POWEROFF = "poweroff"
    TERMINATE = "terminate"
    KILL = "kill"


@frozen
class StopStage:
    """One request of a stop.

    Attributes:
        request: The request.
        seconds: Time for it to take effect before the next stage.
    """

    request: StopRequest
    seconds: float


KILL_PLAN = (
    StopStage(StopRequest.KILL, KILL_SECONDS / 3),
    StopStage(StopRequest.KILL, KILL_SECONDS * 2 / 3),
)
"""A kill takes effect when the kernel releases the processes, which a full disk can delay."""


def stop_plan(deadline: float) -> tuple[StopStage, ...]:
    """Return the stages of a stop; the first kill comes `deadline` seconds after its beginning."""
    terminate = min(TERMINATE_SECONDS, deadline * TERMINATE_SHARE)
    polite = (
        StopStage(StopRequest.POWEROFF, deadline - 2 * terminate),
        StopStage(StopRequest.TERMINATE, terminate),
        StopStage(StopRequest.TERMINATE, terminate),
    )
    return (*(stage for stage in polite if stage.seconds > 0), *KILL_PLAN)


def abort_is_due(unit: UnitState, *, is_requested: bool) -> bool:
    """Return whether the start of a container has to be aborted before its run can be ended.

    Args:
        unit: The reading.
        is_requested: Whether a start was requested that the reading may not show yet.
    """
    if unit.active.up:
        return False
    return is_requested or not unit.active.down or unit.job


def was_refused(outcome: Outcome, unit: UnitState) -> bool:
    """Return whether a request to end failed without effect, so that waiting is pointless."""
    return not outcome.ok and unit.active.up


@frozen
class RunUnchanged:
    """The run is up, or between two states."""


@frozen
class RunReplaced:
    """Another run is up: the container was restarted by another program.

    Attributes:
        unit: Its state.
    """

    unit: UnitState


@frozen
class RunEnded:
    """The run has ended, and no job will start another.

    Attributes:
        unit: Its state, with the cause.
    """

    unit: UnitState


def transition(invocation: str, unit: UnitState) -> RunUnchanged | RunReplaced | RunEnded:
    """Return the transition of the run with this InvocationID that a reading of its unit shows."""
    if unit.active.up and unit.invocation != invocation:
        return RunReplaced(unit)
    if unit.active.down and not unit.job:
        return RunEnded(unit)
    return RunUnchanged()


def has_changed(invocation: str, unit: UnitState) -> bool:
    """Return whether a reading shows that this run was restarted or has stopped."""
    return transition(invocation, unit) != RunUnchanged()


@frozen
class StartPending:
    """The start is neither done nor failed: read again after the next change."""


@frozen
class StartDone:
    """The container is up."""


@frozen
class StartFailed:
    """The start failed.

    Attributes:
        outcome: Result of the command; None if it was still running.
    """

    outcome: Outcome | None


def start_progress(
    before: str, state: ContainerState, outcome: Outcome | None
) -> StartPending | StartDone | StartFailed:
    """Return how far a requested start is.

    Args:
        before: The unit's InvocationID when the start was requested.
        state: The reading.
        outcome: Result of the command; None while it runs.
    """
    unit = state.unit
    if unit.active.up and unit.invocation != before:
        return StartDone() if state.registered else StartPending()
    if not unit.active.down or unit.job:
        return StartPending()
    if outcome is not None and not outcome.ok:
        return StartFailed(outcome)
    if unit.active is Active.FAILED and unit.invocation != before:
        return StartFailed(outcome)
    return StartPending()


def is_transient(words: str) -> bool:
    """Return whether a request that failed with these words may succeed a moment later."""
    lower = words.casefold()
    return any(phrase in lower for phrase in _TRANSIENT)
