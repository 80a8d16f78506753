"""Targets are judged by the median of ratios that were taken within one round."""

from __future__ import annotations

import pytest

from benchmarks.delivery.book import Book
from benchmarks.delivery.growth import Growth, Receiving
from benchmarks.delivery.isolation import Isolation
from benchmarks.delivery.measuring import MAIL, WHOAMI, Result
from benchmarks.delivery.memory import Endurance
from benchmarks.delivery.stats import Latency, Spread, latency, spread
from benchmarks.delivery.systems import BARE, OURS, STREAMS
from benchmarks.delivery.targets import Verdict, targets
from tests.benchmarks.books import book_of, result_of

_RATES = {OURS: 500.0, BARE: 1250.0, "Redis always": 1000.0}


def verdict(book_rounds: list[dict[str, dict[str, Result]]], title: str) -> Verdict | None:
    book = book_of(*book_rounds)
    return next(each for each in targets(book.rows, book.long) if each.title == title).judge(book)


def only_verdict(book: Book) -> Verdict:
    """Return the verdict on the only measurement."""
    judged = (target.judge(book) for target in targets(book.rows, book.long))
    (found,) = (each for each in judged if each is not None)
    return found


def test_percentiles_are_samples_in_microseconds() -> None:
    found = latency([number / 1e6 for number in range(1, 101)])
    assert (found.p50, found.p99) == pytest.approx((50.0, 99.0))


def test_a_spread_is_the_median_with_the_extremes() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


@pytest.mark.parametrize(("ours", "ok"), [(750.0, True), (749.0, False)])
def test_a_rate_must_be_at_least_a_multiple_of_theirs(ours: float, ok: bool) -> None:
    rounds = [{"16 pairs": {OURS: result_of(ours), "Redis always": result_of(1000.0)}}]
    judged = verdict(rounds, "16 pairs, rate / Redis always")
    assert judged is not None
    assert judged.ok is ok


@pytest.mark.parametrize(("ours", "ok"), [(900.0, True), (901.0, False)])
def test_a_latency_must_be_at_most_a_fraction_of_theirs(ours: float, ok: bool) -> None:
    rounds = [{"1 pair": {OURS: result_of(1, p50=ours), "Redis always": result_of(1, p50=1000)}}]
    judged = verdict(rounds, "1 pair, p50 / Redis always")
    assert judged is not None
    assert judged.ok is ok


@pytest.mark.parametrize("workload", [each.name for each in MAIL])
@pytest.mark.parametrize(("ours", "ok"), [(17.0, True), (17.1, False)])
def test_the_cost_of_a_message_is_limited_under_each_workload(
    workload: str, ours: float, ok: bool
) -> None:
    runs = {OURS: result_of(1, server_cpu=ours), BARE: result_of(1, server_cpu=10.0)}
    judged = verdict([{workload: runs}], f"{workload}, server CPU / bare stack")
    assert judged is not None
    assert (judged.ok, judged.aim) == (ok, 1.4)


def test_a_cost_below_the_resolution_is_not_judged() -> None:
    """CPU time has a resolution of 10 ms, and a short run may use less."""
    runs = {OURS: result_of(1, server_cpu=5.0), BARE: result_of(1, server_cpu=0.0)}
    assert verdict([{"1 sender": runs}], "1 sender, server CPU / bare stack") is None


def test_questions_are_compared_with_streams() -> None:
    rounds = [{WHOAMI.name: {OURS: result_of(190.0), STREAMS: result_of(100.0)}}]
    judged = verdict(rounds, "whoami, rate / streams")
    assert judged is not None
    assert (judged.found.median, judged.goal, judged.aim, judged.ok) == (1.9, 1.8, 2.2, True)


def test_ratios_are_taken_within_a_round_before_the_median() -> None:
    """A machine that is slow for one round slows both down, and the ratio stays."""
    slow, fast = (
        {"64 senders": {OURS: result_of(20 * base), "Redis always": result_of(base)}}
        for base in (10.0, 1000.0)
    )
    judged = verdict([slow, fast, fast], "64 senders, rate / Redis always")
    assert judged is not None
    assert judged.found == Spread(20.0, 20.0, 20.0)


def test_a_target_without_measurements_is_not_judged() -> None:
    assert verdict([{"16 pairs": {OURS: result_of(1.0)}}], "16 pairs, rate / NATS always") is None


def test_a_send_is_compared_with_the_raw_disk() -> None:
    judged = verdict(
        [{"1 sender": {OURS: result_of(1, p50=170.0)}}], "1 sender, p50 / raw fdatasync"
    )
    assert judged is not None
    assert (judged.found.median, judged.ok) == (1.7, True)


def test_each_ratio_is_reported_with_that_of_the_bare_stack() -> None:
    rounds = [{"16 pairs": {each: result_of(rate) for each, rate in _RATES.items()}}]
    judged = verdict(rounds, "16 pairs, rate / Redis always")
    assert judged is not None
    assert (judged.found.median, judged.allowed) == (0.5, Spread(1.25, 1.25, 1.25))


def test_without_the_bare_stack_a_ratio_is_reported_alone() -> None:
    rounds = [{"16 pairs": {OURS: result_of(1.0), "Redis always": result_of(1.0)}}]
    judged = verdict(rounds, "16 pairs, rate / Redis always")
    assert judged is not None
    assert judged.allowed is None


def test_disturbance_is_what_the_load_adds_in_milliseconds() -> None:
    book = book_of({})
    book.rounds[0].isolation = Isolation(Latency(50, 1_000), Latency(100, 7_000))
    judged = only_verdict(book)
    assert (judged.found.median, judged.unit, judged.ok) == (6.0, "ms", False)


def test_growth_compares_many_delivered_rows_with_few() -> None:
    book = book_of({})
    book.rounds[0].growth = Growth(few=Receiving(100.0, 10.0), many=Receiving(105.0, 99.0))
    judged = only_verdict(book)
    assert judged.title == "recv at 1,000 delivered / at 100"
    assert (judged.found.median, judged.ok) == (1.05, True)


@pytest.mark.parametrize(("size", "ok"), [(2048.0, True), (2049.0, False)])
def test_the_memory_of_a_parked_recv_is_limited(size: float, ok: bool) -> None:
    book = book_of({})
    book.rounds[0].parked = size
    judged = only_verdict(book)
    assert (judged.title, judged.unit, judged.ok) == ("memory of a parked recv", "B", ok)


@pytest.mark.parametrize(("many", "ok"), [(54_000_000, True), (54_100_000, False)])
def test_the_memory_after_many_messages_is_limited(many: int, ok: bool) -> None:
    book = book_of({}, {})
    book.rounds[0].endurance = Endurance(50_000_000, many)
    judged = only_verdict(book)
    assert (judged.title, judged.ok) == ("memory at 100 messages - at 10", ok)
