"""A reading of the metrics as the data of OpenTelemetry. Pure; runs on the export thread.

The names are those of Prometheus without `_total`, which a collector adds again where it needs it;
the unit follows from the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from hive.wire.metric_rows import FamilyRow, MetricType, SampleRow

UNITS = {"seconds": "s", "bytes": "By", "usd": "USD"}
"""Units by the last word of a name, without `_total`; any other metric is a count."""

NO_START = 0
"""The start of what is no sum over a time."""

_CUMULATIVE = AggregationTemporality.CUMULATIVE


def metrics_data(
    families: Sequence[FamilyRow],
    resource: Resource,
    scope: InstrumentationScope,
    *,
    since: float,
    now: float,
) -> MetricsData:
    """Return the data of a reading.

    Args:
        families: The reading; a family without samples is left out.
        resource: What is monitored.
        scope: What has measured it.
        since: Wall time in seconds at which the counters began.
        now: Wall time of the reading.
    """
    start, time = int(since * 1e9), int(now * 1e9)
    metrics = [_metric(family, start, time) for family in families if family.samples]
    scopes = [ScopeMetrics(scope, metrics, "")]
    return MetricsData([ResourceMetrics(resource, scopes, "")])


def _metric(family: FamilyRow, start: int, time: int) -> Metric:
    data: Gauge | Sum | Histogram
    match family.type:
        case MetricType.GAUGE:
            data = Gauge(list(_numbers(family, NO_START, time)))
        case MetricType.COUNTER:
            data = Sum(list(_numbers(family, start, time)), _CUMULATIVE, is_monotonic=True)
        case MetricType.HISTOGRAM:
            data = Histogram(list(_histograms(family, start, time)), _CUMULATIVE)
    name = family.name.removesuffix("_total")
    unit = UNITS.get(name.rpartition("_")[2], "1")
    return Metric(name, f"{family.help}.", unit, data)


def _numbers(family: FamilyRow, start: int, time: int) -> Iterator[NumberDataPoint]:
    for sample in family.samples:
        assert sample.value is not None
        yield NumberDataPoint(_attributes(family, sample), start, time, sample.value)


def _histograms(family: FamilyRow, start: int, time: int) -> Iterator[HistogramDataPoint]:
    for sample in family.samples:
        assert sample.counts is not None
        assert sample.sum is not None
        yield HistogramDataPoint(
            attributes=_attributes(family, sample),
            start_time_unix_nano=start,
            time_unix_nano=time,
            count=sum(sample.counts),
            sum=sample.sum,
            bucket_counts=list(sample.counts),
            explicit_bounds=list(family.bounds or ()),
            min=None,  # type: ignore[arg-type]  # unknown, and the encoder leaves it out
            max=None,  # type: ignore[arg-type]
        )


def _attributes(family: FamilyRow, sample: SampleRow) -> dict[str, str]:
    return dict(zip(family.labels, sample.labels, strict=True))
