"""Turns are counted once, and what a harness reports cannot make a number that JSON has not."""

from __future__ import annotations

import math

from hive.metrics.turn_counts import MOST, REMEMBERED, TurnCounts
from hive.store.usage import StoredTurn
from hive.wire.enums import TurnOutcome


def turn(started_at: float, outcome: TurnOutcome = TurnOutcome.DONE, **more: float) -> StoredTurn:
    return StoredTurn(started_at, started_at + 20, "message", outcome, **more)  # type: ignore[arg-type]


def test_outcomes_durations_tokens_and_cost_are_summed_by_participant() -> None:
    counts = TurnCounts()
    counts.add("alice", turn(1, input_tokens=3, output_tokens=5, cost_usd=0.5))
    counts.add("alice", turn(2, TurnOutcome.FAILED, input_tokens=4, cache_read_tokens=7))
    counts.add("bob", turn(1))
    alice = counts.by_name["alice"]
    assert alice.outcomes == {"done": 1, "failed": 1, "deferred": 0, "cancelled": 0, "limited": 0}
    assert alice.tokens == {"input": 7, "output": 5, "cache_read": 7, "cache_write": 0}
    assert (alice.cost, alice.seconds.sum, alice.seconds.counts[1]) == (0.5, 40.0, 2)
    assert counts.by_name["bob"].outcomes["done"] == 1


def test_a_turn_that_is_reported_again_is_counted_once() -> None:
    counts = TurnCounts()
    for _ in range(2):
        counts.add("alice", turn(1))
        counts.add("alice", turn(2))
    assert counts.by_name["alice"].outcomes["done"] == 2


def test_a_few_turns_are_remembered() -> None:
    counts = TurnCounts()
    for start in range(10 * REMEMBERED):
        counts.add("alice", turn(start))
    assert len(counts.by_name["alice"].recent) == REMEMBERED


def test_absurd_reports_leave_finite_numbers() -> None:
    counts = TurnCounts()
    for start in range(3):
        counts.add("alice", turn(start, input_tokens=2**53, cost_usd=1.7e308))
    alice = counts.by_name["alice"]
    assert math.isfinite(alice.cost)
    assert alice.tokens["input"] == int(MOST)
