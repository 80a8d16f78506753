"""Plots of what turns took."""

from hypothesis import given
from hypothesis import strategies as st

from hive.clock import rfc3339
from hive.web.agent_plots import HEIGHT, HOUR, PLOTTED_TURNS, WIDTH, plots

NOW = 1_700_000_000.0


def turn(ago: float, **fields: object) -> dict[str, object]:
    return {"ended_at": rfc3339(NOW - ago), "outcome": "done", "seconds": 60.0, **fields}


def test_sums_by_window() -> None:
    turns = [
        turn(3 * 24 * HOUR, cost_usd=1.0, input_tokens=10),
        turn(3 * HOUR, cost_usd=0.25, input_tokens=1000, output_tokens=500, outcome="failed"),
        turn(60, cost_usd=None, cache_read_tokens=500),
    ]
    day, week = plots(turns, NOW)
    assert {each.title: each.total for each in day.plots} == {
        "turns": "2",
        "failed turns": "1",
        "time in turns": "2m",
        "tokens": "2.0k",
        "cost": "$0.25",
    }
    assert week.plots[0].total == "3"
    assert week.plots[4].total == "$1.25"


def test_a_bar_for_each_hour_and_the_largest_is_as_high_as_the_plot() -> None:
    day, _ = plots([turn(60), turn(120), turn(5 * HOUR)], NOW)
    older, newest = day.plots[0].bars
    assert (older.height, newest.height) == (HEIGHT / 2, HEIGHT)
    assert newest.y == 0
    assert newest.x + newest.width <= WIDTH
    assert newest.words.endswith(": 2")


def test_an_agent_without_turns_has_plots_without_bars() -> None:
    for window in plots([], NOW):
        assert all(each.bars == () for each in window.plots)
        assert not window.is_cut


def test_it_says_when_there_may_be_earlier_turns() -> None:
    day, week = plots([turn(60)] * PLOTTED_TURNS, NOW)
    assert day.is_cut
    assert week.is_cut
    day, week = plots([turn(30 * HOUR), *[turn(60)] * PLOTTED_TURNS], NOW)
    assert not day.is_cut
    assert week.is_cut


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e9)), max_size=50))
def test_bars_are_within_the_plot(found: list[tuple[float, float]]) -> None:
    turns = [turn(ago, cost_usd=cost) for ago, cost in found]
    for window in plots(turns, NOW):
        for plot in window.plots:
            for bar in plot.bars:
                assert 0 <= bar.x <= WIDTH
                assert -0.01 <= bar.y <= HEIGHT
                assert 0 <= bar.height <= HEIGHT
