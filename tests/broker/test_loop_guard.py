"""The loop guard counts exactly where few messages are allowed; its memory is bounded."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from hive.broker.loop_guard import MINUTE, PAIRS_KEPT, TIMES_MAX, LoopGuard

DIRECTIONS = (("alice", "bob"), ("bob", "alice"))

gaps = st.lists(st.tuples(st.sampled_from(DIRECTIONS), st.integers(0, 25)), max_size=60)


@given(gaps, st.integers(1, 5))
def test_as_many_pass_as_a_count_of_all_messages_allows(
    sent: list[tuple[tuple[str, str], int]], pair_rate: int
) -> None:
    guard, now = LoopGuard(pair_rate, 32), 0.0
    passed: dict[tuple[str, str], list[float]] = {way: [] for way in DIRECTIONS}
    for way, gap in sent:
        now += gap
        recent = [sum(when > now - MINUTE for when in times) for times in passed.values()]
        assert guard.passes(*way, now) is (min(recent) < pair_rate)
        if min(recent) < pair_rate:
            passed[way].append(now)


@given(st.integers(TIMES_MAX - 1, 5 * TIMES_MAX))
def test_a_loop_of_many_is_found_and_not_before(pair_rate: int) -> None:
    guard, passed = LoopGuard(pair_rate, 32), 0
    while all(guard.passes(*way, passed * 0.001) for way in DIRECTIONS):
        passed += 1
    assert pair_rate <= passed < pair_rate + 5


def test_a_minute_ends_a_count_of_many() -> None:
    pair_rate = 3 * TIMES_MAX
    guard = LoopGuard(pair_rate, 32)
    for moment in range(10 * pair_rate):
        now = moment * 2 * MINUTE / pair_rate
        assert all(guard.passes(*way, now) for way in DIRECTIONS)


def test_the_memory_of_a_pair_does_not_grow_with_what_is_allowed() -> None:
    guard = LoopGuard(1_000_000_000, 32)
    tracemalloc.start()
    try:
        for moment in range(100_000):
            assert guard.passes("alice", "bob", float(moment))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 64 * TIMES_MAX


def test_the_memory_does_not_grow_with_idle_pairs() -> None:
    guard = LoopGuard(60, 32)
    tracemalloc.start()
    try:
        for moment in range(20 * PAIRS_KEPT):
            assert guard.passes(f"agent-{moment}", "bob", moment * MINUTE / 100)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4096 * PAIRS_KEPT
