"""The verb that prints the numbers for monitoring."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hive.cli import options, output
from hive.cli.requests import call
from hive.errors import FailedError

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

READABLE = 0o644
"""Mode of the file: node_exporter runs as a user of its own."""


@click.command()
@click.option("--openmetrics", is_flag=True, help="In the format of OpenMetrics 1.0.")
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Replace this file, whole, in place of printing.",
)
@options.as_json
def metrics(openmetrics: bool, path: Path | None, as_json: bool) -> None:
    """Print the numbers for monitoring, as text for Prometheus.

    With --output it writes a file for the textfile collector of node_exporter.
    """
    families = call("metrics")["metrics"]
    if as_json:
        output.document(families, "FamilyRow")
        return
    text = _exposition(families, openmetrics=openmetrics)
    if path is None:
        output.lines([text.removesuffix("\n")])
    else:
        _replace(path, text)


def _exposition(families: list[dict[str, Any]], *, openmetrics: bool) -> str:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.openmetrics import exposition
    from prometheus_client.registry import Collector

    class Families(Collector):
        def collect(self) -> Iterator[Metric]:
            return map(_metric, families)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families())
    if openmetrics:
        text: bytes = exposition.generate_latest(registry)  # type: ignore[no-untyped-call]
        return text.decode()
    return generate_latest(registry).decode()


def _metric(family: dict[str, Any]) -> Metric:
    """Return a family of the wire as one of the library."""
    from prometheus_client import metrics_core

    name, text, labels = family["name"], family["help"] + ".", family["labels"]
    if family["type"] == "histogram":
        histogram = metrics_core.HistogramMetricFamily(name, text, labels=labels)
        for sample in family["samples"]:
            buckets = _buckets(family["bounds"], sample["counts"])
            histogram.add_metric(sample["labels"], buckets, sample["sum"])
        return histogram
    is_counter = family["type"] == "counter"
    plain = metrics_core.CounterMetricFamily if is_counter else metrics_core.GaugeMetricFamily
    metric = plain(name, text, labels=labels)
    for sample in family["samples"]:
        metric.add_metric(sample["labels"], sample["value"])
    return metric


def _buckets(bounds: list[float], counts: list[int]) -> list[tuple[str, float]]:
    """Return the cumulative buckets of Prometheus, each with its upper bound."""
    words = [*map(repr, map(float, bounds)), "+Inf"]
    return list(zip(words, accumulate(counts), strict=True))


def _replace(path: Path, text: str) -> None:
    """Write a file under another name and rename it, so that no reader sees half of it.

    A link is followed. A pipe or a device is written to as it is.

    Raises:
        FailedError: It cannot be written.
    """
    try:
        path = path.resolve()
        if path.exists() and not path.is_file():
            path.write_text(text)
            return
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                os.fchmod(file.fileno(), READABLE)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as error:
        raise FailedError(
            f"cannot write {path}: {error.strerror}; check its directory and the space there"
        ) from error
