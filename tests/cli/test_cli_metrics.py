"""The verb prints what Prometheus' own parsers read, and writes a file as a whole."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from hive.cli.metrics import _exposition
from hive.client.json_rows import complete
from hive.errors import ExitStatus, UnavailableError
from hive.wire.metric_rows import ShowMetrics

Family = dict[str, Any]


def family(name: str, kind: str, *samples: dict[str, Any], labels: tuple[str, ...] = ()) -> Family:
    bounds = {"bounds": [0.5, 1.0]} if kind == "histogram" else {}
    return {
        "name": name,
        "type": kind,
        "help": "What it says",
        "labels": list(labels),
        **bounds,
        "samples": list(samples),
    }


SOME = [
    family("hyperhive_up", "gauge", {"labels": [], "value": 1}),
    family("hyperhive_sent_total", "counter", {"labels": ["bob"], "value": 7}, labels=("to",)),
    family("hyperhive_took_seconds", "histogram", {"labels": [], "counts": [3, 2, 1], "sum": 4.5}),
    family("hyperhive_none", "gauge", labels=("participant",)),
]


def classic(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for found in parser.text_string_to_metric_families(text)
        for sample in found.samples
    }


def as_openmetrics(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for found in openmetrics_parser.text_string_to_metric_families(text)
        for sample in found.samples
    }


EXPECTED = {
    ("hyperhive_up", frozenset()): 1,
    ("hyperhive_sent_total", frozenset({("to", "bob")})): 7,
    ("hyperhive_took_seconds_bucket", frozenset({("le", "0.5")})): 3,
    ("hyperhive_took_seconds_bucket", frozenset({("le", "1.0")})): 5,
    ("hyperhive_took_seconds_bucket", frozenset({("le", "+Inf")})): 6,
    ("hyperhive_took_seconds_count", frozenset()): 6,
    ("hyperhive_took_seconds_sum", frozenset()): 4.5,
}


@pytest.mark.parametrize(
    ("words", "parse"),
    [((), classic), (("--openmetrics",), as_openmetrics)],
    ids=["classic", "openmetrics"],
)
def test_the_parsers_read_what_is_printed(
    daemon: Any, hive: Any, words: tuple[str, ...], parse: Callable[[str], Any]
) -> None:
    daemon.on(ShowMetrics, {"metrics": SOME})
    ran = hive("metrics", *words)
    assert (ran.status, ran.err) == (0, "")
    assert parse(ran.out) == EXPECTED


@given(st.text())
def test_any_label_comes_back_as_it_was(value: str) -> None:
    value = value.encode(errors="replace").decode()
    sample = {"labels": [value], "value": 1.5}
    text = _exposition(
        [family("hyperhive_x", "gauge", sample, labels=("word",))], openmetrics=False
    )
    assert classic(text) == {("hyperhive_x", frozenset({("word", value)})): 1.5}


def test_json_has_the_numbers_of_the_socket(daemon: Any, hive: Any) -> None:
    daemon.on(ShowMetrics, {"metrics": SOME})
    found = json.loads(hive("metrics", "--json").out)
    assert found == complete(SOME, "FamilyRow"), "every key is there, also those of other types"
    assert found[0]["bounds"] is None


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    (tmp_path / "textfiles").mkdir()
    return tmp_path / "textfiles" / "hyperhive.prom"


def test_a_file_is_replaced_as_a_whole(daemon: Any, hive: Any, file: Path) -> None:
    daemon.on(ShowMetrics, {"metrics": SOME})
    file.write_text("old")
    before = file.stat().st_ino
    ran = hive("metrics", "--output", str(file))
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    assert classic(file.read_text()) == EXPECTED
    assert file.stat().st_ino != before, "it was renamed, not written in place"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(file.parent.iterdir()) == [file]


def test_without_a_daemon_the_file_stays(daemon: Any, hive: Any, file: Path) -> None:
    daemon.on(ShowMetrics, UnavailableError("the hive stops"))
    file.write_text("old")
    assert hive("metrics", "-o", str(file)).status == ExitStatus.NO_DAEMON
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_a_link_is_followed_and_what_is_no_file_is_not_replaced(
    daemon: Any, hive: Any, file: Path
) -> None:
    daemon.on(ShowMetrics, {"metrics": SOME})
    link, pipe = file.parent / "link.prom", file.parent / "pipe.prom"
    link.symlink_to(file)
    assert hive("metrics", "-o", str(link)).status == 0
    assert (link.is_symlink(), classic(file.read_text())) == (True, EXPECTED)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert hive("metrics", "-o", str(pipe)).status == 0
    assert classic(os.read(reader, 65536).decode()) == EXPECTED
    os.close(reader)
    assert pipe.is_fifo()


def test_a_directory_that_is_missing_is_named(daemon: Any, hive: Any, tmp_path: Path) -> None:
    daemon.on(ShowMetrics, {"metrics": SOME})
    ran = hive("metrics", "-o", str(tmp_path / "missing" / "x.prom"))
    assert ran.status == ExitStatus.FAILED
    assert "cannot write" in ran.err
    assert "missing/x.prom: No such file or directory" in ran.err


def test_a_file_that_cannot_be_replaced_leaves_nothing(daemon: Any, hive: Any, file: Path) -> None:
    daemon.on(ShowMetrics, {"metrics": SOME})
    (file / "in the way").mkdir(parents=True)
    ran = hive("metrics", "-o", str(file))
    assert ran.status == ExitStatus.USAGE, "it is a directory"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("module", ["hive.cli.main", "hive.daemon.serve", "hive.harness.cli"])
def test_nothing_else_imports_the_library(module: str) -> None:
    script = f"import sys, {module}; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
