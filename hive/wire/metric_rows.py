"""Metrics on the wire: the request for them, and families of samples.

The families are those of the Prometheus data model; `hive-c0re metrics` writes them as its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from hive.wire.base import Request
from hive.wire.rows import Row


class MetricType(StrEnum):
    """Type of a family of metrics.

    A counter only grows, from 0 at the start of the daemon, a gauge may be anything; a histogram
    has counts of values in buckets.
    """

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class ShowMetrics(Request, tag="metrics", frozen=True):
    """Return the numbers for monitoring, as `metrics`: a `FamilyRow` for each metric."""


class SampleRow(Row, frozen=True, kw_only=True):
    """One value of a metric, or one histogram.

    Attributes:
        labels: Values of the family's labels, in their order.
        value: The value of a gauge or a counter.
        counts: The number of values in each bucket of a histogram; the last one has those above all
            bounds.
        sum: The sum of the values of a histogram.
    """

    labels: tuple[str, ...]
    value: float | None = None
    counts: Sequence[int] | None = None
    sum: float | None = None


class FamilyRow(Row, frozen=True, kw_only=True):
    """One metric with all its samples.

    Attributes:
        name: Its name; that of a counter ends in `_total`.
        type: Its type.
        help: What it says, in a sentence.
        labels: Names of its labels.
        bounds: Highest value of each bucket of a histogram.
        samples: The values, for each combination of labels that there is.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] | None = None
    samples: Sequence[SampleRow]
