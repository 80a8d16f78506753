"""What we promise, as ratios within one round, so that a busy machine slows both sides down."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from benchmarks.delivery.book import Book, Round
from benchmarks.delivery.measuring import (
    ONE_SENDER,
    PAIRS_16,
    PAIRS_128,
    SENDERS,
    Result,
    Workload,
)
from benchmarks.delivery.stats import Spread, spread
from benchmarks.delivery.systems import OURS

Value = Callable[[Round], float | None]


@frozen
class Target:
    """A number that must be reached.

    Attributes:
        title: What is compared.
        goal: The number.
        at_least: Whether more is better.
        value: Computes it for one round; None when something was not measured.
        unit: What it is counted in.
    """

    title: str
    goal: float
    at_least: bool
    value: Value
    unit: str = "x"

    def judge(self, book: Book) -> Verdict | None:
        """Compare the median of all rounds with the goal; None when it was not measured."""
        values = book.each(self.value)
        if not values:
            return None
        found = spread(values)
        ok = found.median >= self.goal if self.at_least else found.median <= self.goal
        return Verdict(self.title, self.goal, self.at_least, self.unit, found, ok)


@frozen
class Verdict:
    """A target and what was measured."""

    title: str
    goal: float
    at_least: bool
    unit: str
    found: Spread
    ok: bool


def _rate(result: Result) -> float:
    return result.rate


def _p99(result: Result) -> float:
    return result.latency.p99


def _against(workload: Workload, system: str, number: Callable[[Result], float]) -> Value:
    """Return our number divided by theirs."""

    def value(one: Round) -> float | None:
        ours, theirs = one.result(workload, OURS), one.result(workload, system)
        return number(ours) / number(theirs) if ours and theirs else None

    return value


def _send_to_fdatasync(one: Round) -> float | None:
    ours = one.result(ONE_SENDER, OURS)
    return ours.latency.p50 / one.disk.append.p50 if ours else None


def _many_to_few(one: Round) -> float | None:
    return one.growth.many.full / one.growth.few.full if one.growth else None


def _disturbance(one: Round) -> float | None:
    """Return the milliseconds that a loaded `whoami` takes longer at its 99th percentile."""
    found = one.isolation
    return (found.loaded.p99 - found.idle.p99) / 1000 if found else None


def targets(rows: tuple[int, int]) -> list[Target]:
    """Return all targets."""
    few, many = rows
    return [
        Target(
            "16 pairs, rate / Redis always", 1.5, True, _against(PAIRS_16, "Redis always", _rate)
        ),
        Target(
            "16 pairs, p99 / Redis always", 0.5, False, _against(PAIRS_16, "Redis always", _p99)
        ),
        Target(
            "128 pairs, rate / Redis always", 2, True, _against(PAIRS_128, "Redis always", _rate)
        ),
        Target(
            "128 pairs, p99 / Redis always", 0.5, False, _against(PAIRS_128, "Redis always", _p99)
        ),
        Target("16 pairs, rate / NATS always", 8, True, _against(PAIRS_16, "NATS always", _rate)),
        Target("16 pairs, rate / NATS default", 2, True, _against(PAIRS_16, "NATS default", _rate)),
        Target(
            "64 senders, rate / persist-queue", 15, True, _against(SENDERS, "persist-queue", _rate)
        ),
        Target("64 senders, rate / huey fsync", 15, True, _against(SENDERS, "huey fsync", _rate)),
        Target("1 sender, p50 / raw fdatasync", 2, False, _send_to_fdatasync),
        Target(f"recv at {many:,} delivered / at {few:,}", 1.1, False, _many_to_few),
        Target("whoami p99, 64 senders - idle", 5, False, _disturbance, "ms"),
    ]
