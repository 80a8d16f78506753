"""The order of participants: tiers, who is longest in one, and who keeps a place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.view.places import TIERS, arrange, counts_by_tier, is_trouble, tier
from tests.top.swarm_answers import NOW, agent, ago


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (agent("a", tier="waiting"), "waiting"),
        (agent("a", tier="nonsense", activity="idle"), "idle"),
        (agent("a", "failed"), "failed"),
        (agent("a", "backoff"), "failed"),
        (agent("a", needs_login=True), "waiting"),
        (agent("a", "stopped"), "stopped"),
        (agent("a", "ended"), "stopped"),
        (agent("a", "stray"), "unknown"),
        (agent("a", None), "unknown"),
        (agent("a", "away", kind="peer"), "unknown"),
        (agent("a", activity="working"), "running"),
        (agent("a", "queued"), "running"),
        (agent("asker", activity="idle"), "waiting"),
    ],
)
def test_the_tier_of_a_row(row: dict[str, Any], expected: str) -> None:
    assert tier(row, NOW, {"asker"}) == expected


def test_the_order_is_that_of_the_tiers_and_then_of_age() -> None:
    rows = [
        agent(f"{name}-{word}", tier=name, tier_since=ago(seconds))
        for name in TIERS[::-1]
        for word, seconds in (("young", 5), ("old", 500))
    ]
    expected = [f"{name}-{word}" for name in TIERS for word in ("old", "young")]
    assert list(arrange(rows, {}, NOW)) == expected


def test_who_enters_a_tier_comes_after_those_in_it_whatever_it_says_about_since_when() -> None:
    rows = [agent(name, tier="failed", tier_since=ago(10)) for name in ("b", "c")]
    places = arrange(rows, {}, NOW)
    entered = agent("a", tier="failed", tier_since=ago(10_000))
    assert list(arrange([entered, *rows], places, NOW)) == ["b", "c", "a"]


def test_an_agent_that_ends_again_and_again_keeps_its_place() -> None:
    others = [agent("x", "failed", since=ago(50)), agent("z", "failed", since=ago(20))]
    down = agent("flaps", "backoff", since=ago(30), restarts=3, last_end_at=ago(30))
    places = arrange([*others, down], {}, NOW)
    assert list(places) == ["x", "flaps", "z"]
    for second in range(20):
        up = second % 2
        end = ago(-second)
        row = agent("flaps", "running" if up else "backoff", since=end, restarts=4, last_end_at=end)
        places = arrange([*others, row], places, NOW + second)
        assert list(places) == ["x", "flaps", "z"]


def test_it_leaves_its_place_once_it_has_run_for_a_minute() -> None:
    row = agent("flaps", restarts=3, last_end_at=ago(59), activity="idle")
    assert tier(row, NOW) == "failed"
    assert tier(row, NOW + 2) == "idle"


def test_what_is_a_problem() -> None:
    assert is_trouble(agent("a", "failed"), NOW)
    assert is_trouble(agent("a", verdict="stalled"), NOW)
    assert is_trouble(agent("a", frozen_since=ago(1)), NOW)
    assert not is_trouble(agent("a"), NOW)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(TIERS), max_size=6), min_size=1
    )
)
def test_nobody_moves_within_a_tier(rounds: list[dict[str, str]]) -> None:
    """Whatever changes, those that stay in a tier keep their order."""
    places = arrange([], {}, NOW)
    for found in rounds:
        before = places
        rows = [agent(name, tier=word, since=None) for name, word in found.items()]
        places = arrange(rows, before, NOW)
        assert places.keys() == found.keys()
        assert [TIERS.index(place.tier) for place in places.values()] == sorted(
            TIERS.index(word) for word in found.values()
        )
        stayed = [name for name in before if name in found and before[name].tier == found[name]]
        assert [name for name in places if name in stayed] == stayed


def test_agents_are_counted_as_their_rows_show_them() -> None:
    rows = [
        agent("a", "running", tier="waiting"),
        agent("b", "running", tier="idle"),
        agent("c", "running", tier="unknown"),
        agent("d", "away", tier="unknown"),
        agent("e", "connected", tier="idle", kind="peer"),
    ]
    words = counts_by_tier(rows, arrange(rows, {}, NOW))
    assert words == ["4 agents: 1 waiting, 1 idle, 1 unknown, 1 running", "1 peer"]
    assert counts_by_tier([], {}) == ["0 agents"]
