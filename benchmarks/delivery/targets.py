"""Targets, as ratios within one round, since a busy machine slows both sides down."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from benchmarks.delivery.book import Book, Round
from benchmarks.delivery.measuring import (
    MAIL,
    ONE_PAIR,
    ONE_SENDER,
    PAIRS_16,
    PAIRS_128,
    SENDERS,
    WHOAMI,
    Result,
    Workload,
)
from benchmarks.delivery.stats import Spread, spread
from benchmarks.delivery.systems import BARE, OURS, STREAMS

Value = Callable[[Round], float | None]

_MB = 1_000_000


@frozen
class Target:
    """A number that must be reached.

    Attributes:
        title: What is compared.
        goal: The number.
        aim: A better number that is tried for; None when there is nothing to be gained.
        at_least: Whether more is better.
        value: Computes it for one round; None when something was not measured.
        bare: The same for the bare stack: what our libraries allow without any feature.
        unit: What it is counted in.
    """

    title: str
    goal: float
    aim: float | None
    at_least: bool
    value: Value
    bare: Value | None = None
    unit: str = "x"

    def judge(self, book: Book) -> Verdict | None:
        """Compare the median of all rounds with the goal; None if it was not measured."""
        values = book.each(self.value)
        if not values:
            return None
        found = spread(values)
        ok = found.median >= self.goal if self.at_least else found.median <= self.goal
        bare = book.each(self.bare) if self.bare is not None else []
        allowed = spread(bare) if bare else None
        return Verdict(
            self.title, self.goal, self.aim, self.at_least, self.unit, found, allowed, ok
        )


@frozen
class Verdict:
    """A target with its measurement; `allowed` is the ratio of the bare stack."""

    title: str
    goal: float
    aim: float | None
    at_least: bool
    unit: str
    found: Spread
    allowed: Spread | None
    ok: bool


def _rate(result: Result) -> float:
    return result.rate


def _p50(result: Result) -> float:
    return result.latency.p50


def _server_cpu(result: Result) -> float:
    return result.server_cpu


def _ratio(us: str, workload: Workload, them: str, number: Callable[[Result], float]) -> Value:
    """Return the number of one system divided by that of another."""

    def value(one: Round) -> float | None:
        ours, theirs = one.result(workload, us), one.result(workload, them)
        return number(ours) / number(theirs) if ours and theirs and number(theirs) else None

    return value


def _send_to_fdatasync(us: str) -> Value:
    def value(one: Round) -> float | None:
        ours = one.result(ONE_SENDER, us)
        return ours.latency.p50 / one.disk.append.p50 if ours else None

    return value


def _rates(workload: Workload, them: str, goal: float, aim: float) -> Target:
    """Return a target for our rate as a multiple of theirs."""
    ours, bare = (_ratio(us, workload, them, _rate) for us in (OURS, BARE))
    return Target(f"{workload.name}, rate / {them}", goal, aim, True, ours, bare)


def _medians(workload: Workload, them: str, goal: float, aim: float) -> Target:
    """Return a target for our median latency as a fraction of theirs."""
    ours, bare = (_ratio(us, workload, them, _p50) for us in (OURS, BARE))
    return Target(f"{workload.name}, p50 / {them}", goal, aim, False, ours, bare)


def _cost(workload: Workload) -> Target:
    """Return a target for the CPU time of a message as a multiple of that of the bare stack."""
    ours = _ratio(OURS, workload, BARE, _server_cpu)
    return Target(f"{workload.name}, server CPU / {BARE}", 1.7, 1.4, False, ours)


def _many_to_few(one: Round) -> float | None:
    return one.growth.many.full / one.growth.few.full if one.growth else None


def _disturbance(one: Round) -> float | None:
    """Return the milliseconds that load adds to the 99th percentile of `whoami`."""
    found = one.isolation
    return (found.loaded.p99 - found.idle.p99) / 1000 if found else None


def _parked(one: Round) -> float | None:
    return one.parked


def _memory_growth(one: Round) -> float | None:
    """Return the megabytes by which the daemon grew over many messages."""
    found = one.endurance
    return (found.many - found.few) / _MB if found else None


def targets(rows: tuple[int, int], long: tuple[int, int]) -> list[Target]:
    """Return all targets."""
    return [*_ratios(), *_own(rows, long)]


def _ratios() -> list[Target]:
    """Return the targets that compare us with others."""
    ours, bare = (_send_to_fdatasync(us) for us in (OURS, BARE))
    return [
        _rates(PAIRS_16, "Redis always", 0.75, 0.9),
        _rates(PAIRS_128, "Redis always", 0.7, 0.9),
        _rates(SENDERS, "Redis always", 0.6, 0.75),
        _rates(PAIRS_16, "NATS always", 2.5, 3),
        _rates(PAIRS_16, "NATS default", 1.3, 1.5),
        _medians(ONE_PAIR, "Redis always", 0.9, 0.75),
        *(_cost(workload) for workload in MAIL),
        Target("1 sender, p50 / raw fdatasync", 1.8, 1.6, False, ours, bare),
        Target(
            f"{WHOAMI.name}, rate / {STREAMS}",
            1.8,
            2.2,
            True,
            _ratio(OURS, WHOAMI, STREAMS, _rate),
        ),
    ]


def _own(rows: tuple[int, int], long: tuple[int, int]) -> list[Target]:
    """Return the targets for our daemon alone."""
    few, many = (f"{count:,}" for count in rows)
    before, after = (f"{count:,}" for count in long)
    return [
        Target(f"recv at {many} delivered / at {few}", 1.1, None, False, _many_to_few),
        Target("whoami p99, 64 senders - idle", 5, None, False, _disturbance, unit="ms"),
        Target("memory of a parked recv", 2048, 1600, False, _parked, unit="B"),
        Target(f"memory at {after} messages - at {before}", 4, 0, False, _memory_growth, unit="MB"),
    ]
