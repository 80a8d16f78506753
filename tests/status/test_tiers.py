"""Tiers: who is to be looked at first."""

from __future__ import annotations

import pytest

from hive.status.row_facts import tier_since
from hive.status.snapshot import State
from hive.status.tiers import BY_ACTIVITY, BY_STATE, Tier, tier_of
from hive.wire.enums import ActivityState
from hive.wire.harness import Activity

A = ActivityState


def test_the_order_is_that_of_the_operator_s_attention() -> None:
    assert [each.value for each in Tier] == [
        *("waiting", "failed", "idle", "unknown", "running", "stopped")
    ]


def test_the_tables_have_every_state_and_every_activity() -> None:
    assert BY_ACTIVITY.keys() == set(ActivityState)
    assert BY_STATE.keys() == set(State) - {State.RUNNING, State.CONNECTED, State.AWAY}


@pytest.mark.parametrize(
    ("state", "activity", "expected"),
    [
        ("running", A.WORKING, Tier.RUNNING),
        ("running", A.COMPACTING, Tier.RUNNING),
        ("running", A.IDLE, Tier.IDLE),
        ("running", A.WAITING, Tier.IDLE),
        ("running", A.PAUSED, Tier.IDLE),
        ("running", A.FAILED, Tier.FAILED),
        ("running", A.NEEDS_LOGIN, Tier.WAITING),
        ("running", A.LIMITED, Tier.WAITING),
        ("running", None, Tier.UNKNOWN),
        ("failed", None, Tier.FAILED),
        ("failed", A.IDLE, Tier.FAILED),
        ("backoff", None, Tier.FAILED),
        ("stray", A.WORKING, Tier.FAILED),
        ("queued", None, Tier.RUNNING),
        ("starting", None, Tier.RUNNING),
        ("stopping", A.WORKING, Tier.RUNNING),
        ("stopped", None, Tier.STOPPED),
        ("ended", None, Tier.STOPPED),
        ("connected", A.IDLE, Tier.IDLE),
        ("connected", None, Tier.UNKNOWN),
        ("away", None, Tier.UNKNOWN),
    ],
)
def test_a_tier_follows_from_state_and_activity(
    state: str, activity: ActivityState | None, expected: Tier
) -> None:
    assert tier_of(state, activity) is expected
    assert tier_of(state, activity, has_asked=True) is Tier.WAITING


def test_a_peer_is_stopped_only_if_its_unit_is_known_to_be_down() -> None:
    assert tier_of("away", None, is_down=True) is Tier.STOPPED
    assert tier_of("away", A.IDLE, is_down=True) is Tier.IDLE


@pytest.mark.parametrize(
    ("tier", "asked", "reported", "expected"),
    [
        (Tier.WAITING, 3.0, 7.0, 3.0),
        (Tier.WAITING, None, 7.0, 7.0),
        (Tier.IDLE, None, 7.0, 7.0),
        (Tier.STOPPED, None, 7.0, 5.0),
        (Tier.FAILED, None, None, 5.0),
        (Tier.UNKNOWN, None, None, 5.0),
    ],
)
def test_a_tier_has_the_age_of_what_it_follows_from(
    tier: Tier, asked: float | None, reported: float | None, expected: float
) -> None:
    activity = None if reported is None else Activity(A.IDLE, reported)
    assert tier_since(tier, asked, activity, 5.0) == expected
