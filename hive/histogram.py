"""Histograms: counts of measured values in buckets, for the metrics."""

from __future__ import annotations

from bisect import bisect_left

from attrs import define, field


@define(eq=False)
class Histogram:
    """Counts of values in buckets, and their sum.

    One thread adds values. Another one may read meanwhile: it sees each value at once or a moment
    later, and the sum a moment before the count or after it.

    Attributes:
        bounds: Highest value of each bucket, ascending; a last bucket has what is above them.
        counts: Number of values in each bucket, that last one included.
        sum: Sum of all values.
    """

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    sum: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Add a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
