"""The restart rules: pure functions and values."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Backoff, Crashed, Killed, Normal, Restart, RestartLimit, Shutdown, Strategy
from actors._exits import ExitReason, NoProc, StartFailed
from actors._restart import RestartWindow, should_restart, siblings_to_restart

ERROR = ValueError("bug")


@pytest.mark.parametrize("reason", [Normal(), Shutdown(), Shutdown("why")])
@pytest.mark.parametrize(
    ("restart", "expected"),
    [(Restart.PERMANENT, True), (Restart.TRANSIENT, False), (Restart.TEMPORARY, False)],
)
def test_after_a_graceful_end(restart: Restart, reason: ExitReason, expected: bool) -> None:
    assert should_restart(restart, reason) is expected


@pytest.mark.parametrize("reason", [Crashed(ERROR), Killed(), NoProc(), StartFailed(ERROR)])
@pytest.mark.parametrize(
    ("restart", "expected"),
    [(Restart.PERMANENT, True), (Restart.TRANSIENT, True), (Restart.TEMPORARY, False)],
)
def test_after_a_failure(restart: Restart, reason: ExitReason, expected: bool) -> None:
    assert should_restart(restart, reason) is expected


@pytest.mark.parametrize(
    ("strategy", "failed", "expected"),
    [
        (Strategy.ONE_FOR_ONE, "b", ()),
        (Strategy.REST_FOR_ONE, "a", ("b", "c")),
        (Strategy.REST_FOR_ONE, "b", ("c",)),
        (Strategy.REST_FOR_ONE, "c", ()),
        (Strategy.ONE_FOR_ALL, "a", ("b", "c")),
        (Strategy.ONE_FOR_ALL, "b", ("a", "c")),
    ],
)
def test_which_siblings_are_restarted(
    strategy: Strategy, failed: str, expected: tuple[str, ...]
) -> None:
    assert siblings_to_restart(strategy, ("a", "b", "c"), failed) == expected


# The window


def test_the_limit_holds_until_it_is_exceeded() -> None:
    window = RestartWindow(RestartLimit(2, within=5.0))
    assert [window.record(now) for now in (0.0, 1.0, 2.0)] == [True, True, False]


def test_a_restart_at_the_boundary_still_counts() -> None:
    window = RestartWindow(RestartLimit(1, within=5.0))
    assert window.record(0.0)
    assert not window.record(5.0)


def test_a_restart_beyond_the_boundary_does_not_count() -> None:
    window = RestartWindow(RestartLimit(1, within=5.0))
    assert window.record(0.0)
    assert window.record(5.001)


def test_no_restart_is_tolerated_when_the_limit_is_zero() -> None:
    assert not RestartWindow(RestartLimit(0)).record(0.0)


def test_clearing_gives_the_whole_limit_back() -> None:
    window = RestartWindow(RestartLimit(1))
    window.record(0.0)
    window.clear()
    assert window.record(0.0)


@given(
    st.lists(st.floats(0, 20), max_size=30).map(sorted),
    st.integers(0, 5),
    st.sampled_from([0.5, 1.0, 5.0]),
)
def test_the_window_counts_what_a_list_would(
    times: list[float], max_restarts: int, within: float
) -> None:
    window = RestartWindow(RestartLimit(max_restarts, within))
    for index, now in enumerate(times):
        recent = [t for t in times[: index + 1] if t >= now - within]
        assert window.record(now) is (len(recent) <= max_restarts)
        assert window.count(now) == len(recent)


@pytest.mark.parametrize(("max_restarts", "within"), [(-1, 5.0), (3, 0.0), (3, -1.0)])
def test_a_senseless_limit_is_refused(max_restarts: int, within: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        RestartLimit(max_restarts, within)


# Back-off


def test_the_schedule_grows_to_the_cap() -> None:
    assert Backoff(base=1.0, factor=3.0, cap=20.0).schedule(5) == (1.0, 3.0, 9.0, 20.0, 20.0)


@given(st.integers(0, 10_000), st.integers())
def test_jitter_stays_within_its_fraction(attempt: int, seed: int) -> None:
    backoff = Backoff(base=0.2, factor=2.0, cap=30.0, jitter=0.1)
    plain = backoff.schedule(1)[0] if attempt == 0 else min(30.0, 0.2 * 2.0 ** min(attempt, 100))
    assert plain * 0.9 <= backoff.delay(attempt, Random(seed)) <= plain * 1.1


def test_jitter_comes_from_the_injected_randomness() -> None:
    backoff = Backoff()
    assert backoff.delay(3, Random(1)) == backoff.delay(3, Random(1))
    assert backoff.delay(3, Random(1)) != backoff.delay(3, Random(2))


def test_without_jitter_the_delay_is_the_schedule() -> None:
    backoff = Backoff(jitter=0.0)
    assert tuple(backoff.delay(i, Random()) for i in range(12)) == backoff.schedule(12)


def test_a_base_of_zero_never_waits() -> None:
    assert Backoff(base=0.0).delay(5_000, Random()) == 0.0


def test_health_lasts_longer_than_any_delay_and_than_the_window() -> None:
    assert Backoff(cap=30.0).healthy_after(RestartLimit(3, within=5.0)) == 30.0
    assert Backoff(cap=30.0).healthy_after(RestartLimit(3, within=60.0)) == 120.0
    assert Backoff(reset_after=7.0).healthy_after(RestartLimit(3, within=60.0)) == 7.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"base": -1.0},
        {"factor": 0.5},
        {"cap": -1.0},
        {"jitter": 1.0},
        {"jitter": -0.1},
        {"reset_after": -1.0},
    ],
)
def test_a_senseless_backoff_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Backoff(**wrong)
