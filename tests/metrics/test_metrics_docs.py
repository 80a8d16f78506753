"""docs/metrics.md has all metrics, the alerts name only these, and the names are conventional."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hive.cli.main import VERBS
from hive.metrics.families import FAMILIES, Family
from hive.wire.metric_rows import MetricType
from tests.metrics_table import PAGE, with_table

EXAMPLES = Path(__file__).parents[2] / "examples" / "monitoring"

OTHERS = {"node_textfile_mtime_seconds"}
"""Metrics of node_exporter that an alert may name."""

ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((EXAMPLES / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]

SERIES = {
    *OTHERS,
    *(each.name for each in FAMILIES if each.type is not MetricType.HISTOGRAM),
    *(
        f"{each.name}_{part}"
        for each in FAMILIES
        if each.type is MetricType.HISTOGRAM
        for part in ("bucket", "sum", "count")
    ),
}


def test_the_table_is_that_of_the_families() -> None:
    assert PAGE.read_text() == with_table(PAGE.read_text()), "python -m tests.metrics_table --write"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda each: each.name)
def test_a_name_follows_the_conventions(family: Family) -> None:
    assert re.fullmatch(r"hyperhive_[a-z]+(_[a-z]+)*", family.name)
    assert family.name.endswith("_total") == (family.type is MetricType.COUNTER)
    assert bool(family.bounds) == (family.type is MetricType.HISTOGRAM)
    assert family.help
    assert family.help[-1] != "."
    assert not set("|\n") & set(family.help)


def test_names_occur_once() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_names_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"\b(?:hyperhive|node)_\w+", rule["expr"]))
    assert named
    assert named <= SERIES
    words = {word for family in FAMILIES for word in family.labels} | {"file", "le"}
    assert set(re.findall(r"(\w+)=~?\"", rule["expr"])) <= words
    assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= words
    assert rule["labels"]["severity"] in {"page", "ticket"}
    for verb in re.findall(r"hive-c0re ([a-z-]+)", rule["annotations"]["action"]):
        assert verb in VERBS


def test_the_unit_files_are_those_of_the_page() -> None:
    page = PAGE.read_text()
    for name in ("hyperhive-metrics.service", "hyperhive-metrics.timer"):
        lines = (EXAMPLES / name).read_text().splitlines()
        missing = [line for line in lines if "=" in line and line not in page]
        assert all(line.startswith(("Description=", "WantedBy=")) for line in missing)
