"""Results as a benchmark could have measured them."""

from __future__ import annotations

from benchmarks.delivery.book import Book, Disk, Round
from benchmarks.delivery.measuring import Result
from benchmarks.delivery.stats import Latency

DISK = Disk(Latency(100.0, 200.0), Latency(80.0, 120.0))


def result_of(
    rate: float, *, p50: float = 100.0, p99: float = 1000.0, server_cpu: float = 20.0
) -> Result:
    """Return one run."""
    return Result(rate, Latency(p50, p99), server_cpu=server_cpu, client_cpu=10.0)


def book_of(*rounds: dict[str, dict[str, Result]]) -> Book:
    """Return a book of these rounds, on a disk that needs 100 us for an fdatasync."""
    return Book((100, 1000), (10, 100), [Round(DISK, runs) for runs in rounds])
