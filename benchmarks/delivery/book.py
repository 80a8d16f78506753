"""The measurements, round by round."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from benchmarks.delivery.growth import Growth
from benchmarks.delivery.isolation import Isolation
from benchmarks.delivery.measuring import Result, Workload
from benchmarks.delivery.memory import Endurance
from benchmarks.delivery.stats import Latency


@define
class Disk:
    """Raw fdatasync of one round, at the end of a growing file and within a file."""

    append: Latency
    overwrite: Latency


@define
class Round:
    """All measurements of one round."""

    disk: Disk
    runs: dict[str, dict[str, Result]] = field(factory=dict)
    """By workload, then by system."""
    isolation: Isolation | None = None
    growth: Growth | None = None
    parked: float | None = None
    """Bytes of our daemon for each parked `recv`."""
    endurance: Endurance | None = None
    """Measured in the first round only, with `--long`."""

    def keep(self, workload: Workload, system: str, result: Result) -> None:
        """Store the result of one run."""
        self.runs.setdefault(workload.name, {})[system] = result

    def result(self, workload: Workload, system: str) -> Result | None:
        """Return the result of one run; None if there was none."""
        return self.runs.get(workload.name, {}).get(system)


@define
class Book:
    """A whole benchmark.

    Attributes:
        rounds: In order.
        skipped: Systems that could not be run, with the reason.
        rows: Delivered messages in the small and in the large database.
        long: Messages before the first and before the second look at our daemon's memory.
    """

    rows: tuple[int, int]
    long: tuple[int, int]
    rounds: list[Round] = field(factory=list)
    skipped: dict[str, str] = field(factory=dict)

    def each(self, value: Callable[[Round], float | None]) -> list[float]:
        """Return a value of each round that has it."""
        return [found for one in self.rounds if (found := value(one)) is not None]

    def results(self, workload: str, system: str) -> list[Result]:
        """Return the results of all rounds for one system and workload."""
        found = (one.runs.get(workload, {}).get(system) for one in self.rounds)
        return [result for result in found if result is not None]
