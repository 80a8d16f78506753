"""The budget of events that a participant causes."""

from hive.participants.event_budget import BURST, EVENT_SECONDS, EventBudget


def test_a_burst_is_recorded_and_then_one_in_each_period() -> None:
    budget = EventBudget()
    assert [budget.spend(0) for _ in range(BURST)] == [0] * BURST
    assert [budget.spend(0) for _ in range(3)] == [None] * 3
    assert budget.spend(EVENT_SECONDS - 1) is None
    assert budget.spend(EVENT_SECONDS) == 4, "it says how many were skipped"
    assert budget.spend(EVENT_SECONDS) is None


def test_a_long_silence_allows_a_burst_and_no_more() -> None:
    budget = EventBudget()
    spent = [budget.spend(1e6 * EVENT_SECONDS) for _ in range(BURST + 1)]
    assert spent == [0] * BURST + [None]


def test_a_clock_that_is_set_back_grants_nothing() -> None:
    budget = EventBudget()
    for _ in range(BURST):
        budget.spend(1000)
    assert budget.spend(0) is None
    assert budget.spend(EVENT_SECONDS) == 1
