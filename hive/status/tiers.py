"""Tiers: how much a participant concerns the operator, in the order in which it is to be looked at.

Pure. The order is Waiting > Failed > Idle > Unknown > Running > Stopped, within a tier the longest
first. A participant in the first tier waits for the operator: one question, approval or login is
reason enough, whatever else it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from hive.wire.enums import ActivityState


class Tier(StrEnum):
    """How much a participant concerns the operator, the most first."""

    WAITING = "waiting"
    """A question, an approval, a login or a usage limit of it waits for the operator."""
    FAILED = "failed"
    """It is down against his will, or its last turn failed."""
    IDLE = "idle"
    """It is up and does nothing."""
    UNKNOWN = "unknown"
    """Nothing says what it does: silence is not an end."""
    RUNNING = "running"
    """It works, starts or stops."""
    STOPPED = "stopped"
    """It is down as it should be."""


BY_STATE: Mapping[str, Tier] = {
    "failed": Tier.FAILED,
    "backoff": Tier.FAILED,
    "stray": Tier.FAILED,
    "stopped": Tier.STOPPED,
    "ended": Tier.STOPPED,
    "queued": Tier.RUNNING,
    "starting": Tier.RUNNING,
    "stopping": Tier.RUNNING,
}
"""The tiers of states in which an activity says nothing new."""

BY_ACTIVITY: Mapping[ActivityState, Tier] = {
    ActivityState.NEEDS_LOGIN: Tier.WAITING,
    ActivityState.LIMITED: Tier.WAITING,
    ActivityState.FAILED: Tier.FAILED,
    ActivityState.IDLE: Tier.IDLE,
    ActivityState.WAITING: Tier.IDLE,
    ActivityState.PAUSED: Tier.IDLE,
    ActivityState.WORKING: Tier.RUNNING,
    ActivityState.COMPACTING: Tier.RUNNING,
}
"""The tiers of activities of a participant that is up."""


def tier_of(
    state: str,
    activity: ActivityState | None,
    *,
    has_asked: bool = False,
    is_down: bool = False,
) -> Tier:
    """Return the tier of a participant.

    Args:
        state: Its state.
        activity: What its harness reports; None while that is unknown.
        has_asked: Whether a question or an approval of it waits for the operator.
        is_down: Whether the observed unit of a peer is known to be down.
    """
    if has_asked:
        return Tier.WAITING
    found = BY_STATE.get(state)
    if found is not None:
        return found
    if activity is not None:
        return BY_ACTIVITY[activity]
    return Tier.STOPPED if is_down else Tier.UNKNOWN
