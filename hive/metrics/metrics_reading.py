"""One reading: the samples of all metrics at about the same moment."""

from __future__ import annotations

from attrs import define, field

from hive.histogram import Histogram
from hive.metrics.families import FAMILIES, Family
from hive.wire.metric_rows import FamilyRow, SampleRow


@define(eq=False)
class Reading:
    """Collects samples and makes the rows of the wire of them."""

    _samples: dict[str, list[SampleRow]] = field(
        factory=lambda: {family.name: [] for family in FAMILIES}, init=False
    )

    def add(self, family: Family, value: float, *labels: str) -> None:
        """Add the value of a gauge or a counter."""
        self._samples[family.name].append(SampleRow(labels=labels, value=float(value)))

    def add_histogram(self, family: Family, histogram: Histogram, *labels: str) -> None:
        """Add a histogram."""
        row = SampleRow(labels=labels, counts=tuple(histogram.counts), sum=histogram.sum)
        self._samples[family.name].append(row)

    def rows(self) -> list[FamilyRow]:
        """Return all families; one whose numbers could not be read has no samples."""
        return [
            FamilyRow(
                name=family.name,
                type=family.type,
                help=family.help,
                labels=family.labels,
                bounds=family.bounds,
                samples=self._samples[family.name],
            )
            for family in FAMILIES
        ]
