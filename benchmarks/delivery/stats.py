"""Percentiles of samples, and medians over rounds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from attrs import frozen

MICRO = 1e6
"""Microseconds in a second."""


@frozen
class Latency:
    """Percentiles of a duration, in microseconds."""

    p50: float
    p99: float


@frozen
class Spread:
    """A value over several rounds: its median, lowest and highest."""

    median: float
    low: float
    high: float


def percentile(ordered: Sequence[float], part: float) -> float:
    """Return the value that `part` (0 to 1) of the sorted samples do not exceed."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def latency(seconds: Sequence[float]) -> Latency:
    """Return the percentiles of samples in seconds."""
    ordered = sorted(seconds)
    return Latency(percentile(ordered, 0.5) * MICRO, percentile(ordered, 0.99) * MICRO)


def spread(values: Sequence[float]) -> Spread:
    """Return the median of one value per round, with the extremes."""
    return Spread(statistics.median(values), min(values), max(values))
