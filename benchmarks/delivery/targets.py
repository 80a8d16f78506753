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
from benchmarks.delivery.systems import BARE, OURS

Value = Callable[[Round], float | None]


@frozen
class Target:
    """A number that must be reached.

    Attributes:
        title: What is compared.
        goal: The number.
        at_least: Whether more is better.
        value: Computes it for one round; None when something was not measured.
        bare: The same for the bare stack: what our libraries allow without any feature.
        unit: What it is counted in.
    """

    title: str
    goal: float
    at_least: bool
    value: Value
    bare: Value | None = None
    unit: str = "x"

    def judge(self, book: Book) -> Verdict | None:
        """Compare the median of all rounds with the goal; None when it was not measured."""
        values = book.each(self.value)
        if not values:
            return None
        found = spread(values)
        ok = found.median >= self.goal if self.at_least else found.median <= self.goal
        bare = book.each(self.bare) if self.bare is not None else []
        allowed = spread(bare) if bare else None
        return Verdict(self.title, self.goal, self.at_least, self.unit, found, allowed, ok)


@frozen
class Verdict:
    """A target and what was measured; `allowed` is what the bare stack reached."""

    title: str
    goal: float
    at_least: bool
    unit: str
    found: Spread
    allowed: Spread | None
    ok: bool


def _rate(result: Result) -> float:
    return result.rate


def _p99(result: Result) -> float:
    return result.latency.p99


def _ratio(us: str, workload: Workload, them: str, number: Callable[[Result], float]) -> Value:
    """Return the number of one system divided by that of another."""

    def value(one: Round) -> float | None:
        ours, theirs = one.result(workload, us), one.result(workload, them)
        return number(ours) / number(theirs) if ours and theirs else None

    return value


def _send_to_fdatasync(us: str) -> Value:
    def value(one: Round) -> float | None:
        ours = one.result(ONE_SENDER, us)
        return ours.latency.p50 / one.disk.append.p50 if ours else None

    return value


def _rates(workload: Workload, them: str, goal: float) -> Target:
    """Return that our rate must be that many times theirs."""
    ours, bare = (_ratio(us, workload, them, _rate) for us in (OURS, BARE))
    return Target(f"{workload.name}, rate / {them}", goal, True, ours, bare)


def _tails(workload: Workload, them: str, goal: float) -> Target:
    """Return that our 99th percentile may be that part of theirs."""
    ours, bare = (_ratio(us, workload, them, _p99) for us in (OURS, BARE))
    return Target(f"{workload.name}, p99 / {them}", goal, False, ours, bare)


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
        _rates(PAIRS_16, "Redis always", 1.5),
        _tails(PAIRS_16, "Redis always", 0.5),
        _rates(PAIRS_128, "Redis always", 2),
        _tails(PAIRS_128, "Redis always", 0.5),
        _rates(PAIRS_16, "NATS always", 8),
        _rates(PAIRS_16, "NATS default", 2),
        _rates(SENDERS, "persist-queue", 15),
        _rates(SENDERS, "huey fsync", 15),
        Target(
            "1 sender, p50 / raw fdatasync",
            2,
            False,
            _send_to_fdatasync(OURS),
            _send_to_fdatasync(BARE),
        ),
        Target(f"recv at {many:,} delivered / at {few:,}", 1.1, False, _many_to_few),
        Target("whoami p99, 64 senders - idle", 5, False, _disturbance, unit="ms"),
    ]
