"""Fixtures: a simulated hive with two agents, a manager and a peer, and its metrics by name."""

from __future__ import annotations

from attrs import frozen

from hive.daemon.hive import Hive
from hive.wire.metric_rows import FamilyRow, SampleRow
from tests.gateway.conftest import alice, hive, host, runtime
from tests.support.hives import site

__all__ = ["alice", "hive", "host", "runtime", "site"]


@frozen
class Metrics:
    """One reading of a hive."""

    families: dict[str, FamilyRow]

    def samples(self, name: str) -> dict[tuple[str, ...], SampleRow]:
        """Return the samples of a metric by the values of their labels."""
        return {sample.labels: sample for sample in self.families[f"hyperhive_{name}"].samples}

    def values(self, name: str) -> dict[tuple[str, ...], float | None]:
        """Return the values of a gauge or a counter, without those that are 0."""
        return {labels: each.value for labels, each in self.samples(name).items() if each.value}

    def value(self, name: str, *labels: str) -> float | None:
        """Return one value; None if there is no such sample."""
        found = self.samples(name).get(labels)
        return None if found is None else found.value


async def read(hive: Hive) -> Metrics:
    """Read the metrics of a hive."""
    return Metrics({family.name: family for family in await hive.parts.metrics.read()})
