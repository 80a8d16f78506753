"""The delivery benchmark runs, and prints its measurements."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.delivery import memory
from benchmarks.delivery.report import as_json, as_text
from benchmarks.delivery.systems import BARE, NAMES, OURS, STREAMS
from tests.benchmarks.books import book_of, result_of

ROOT = Path(__file__).resolve().parents[2]


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.delivery", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
    )


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """Output and JSON of a short run of our daemon and of the raw measurements."""
    directory = tmp_path_factory.mktemp("bench")
    file = directory / "results.json"
    done = benchmark(
        *("--quick", "--long", "--system", OURS, "--system", BARE, "--system", STREAMS),
        *("--directory", str(directory), "--json", str(file)),
    )
    assert done.returncode == 0, done.stderr
    assert [entry.name for entry in directory.iterdir()] == [file.name]
    return done.stdout, json.loads(file.read_text())


def test_a_quick_run_measures_the_real_daemon_and_cleans_up(
    quick: tuple[str, dict[str, Any]],
) -> None:
    (only,) = quick[1]["rounds"]
    assert set(only["runs"]) == {"ping-pong", "16 pairs", "1 sender", "64 senders", "whoami"}
    for workload, runs in only["runs"].items():
        assert set(runs) == {OURS, STREAMS if workload == "whoami" else BARE}
        for result in runs.values():
            assert result["rate"] > 0
            assert 0 < result["latency"]["p50"] <= result["latency"]["p99"]
    assert only["isolation"]["loaded"]["p99"] > 0
    assert only["growth"]["many"]["full"] > 0
    assert only["parked"] > 0
    assert only["endurance"]["few"] > 0
    assert only["disk"]["append"]["p50"] > 0


def test_a_quick_run_judges_the_targets_without_other_systems(
    quick: tuple[str, dict[str, Any]],
) -> None:
    text, results = quick
    titles = [verdict["title"] for verdict in results["targets"]]
    own = [
        "1 sender, p50 / raw fdatasync",
        "whoami, rate / streams",
        "recv at 1,000 delivered / at 100",
        "whoami p99, 64 senders - idle",
        "memory of a parked recv",
        "memory at 2,000 messages - at 1,000",
    ]
    # A cost is left out when the run was too short for the bare stack to use any time that counts.
    assert [title for title in titles if "server CPU" not in title] == own
    assert all(title in text for title in titles)
    has_bare_stack = {each["title"]: each["allowed"] is not None for each in results["targets"]}
    assert [title for title in own if has_bare_stack[title]] == own[:1]


def test_an_unknown_system_is_refused_by_name() -> None:
    done = benchmark("--system", "kafka")
    assert done.returncode == 2
    assert "kafka" in done.stderr
    assert all(name in done.stderr for name in NAMES)


def test_the_report_shows_medians_with_extremes_and_why_a_system_is_missing() -> None:
    book = book_of(
        {"16 pairs": {OURS: result_of(3000.0), "Redis always": result_of(1000.0)}},
        {"16 pairs": {OURS: result_of(1000.0), "Redis always": result_of(1000.0)}},
        {"16 pairs": {OURS: result_of(2000.0), "Redis always": result_of(1000.0)}},
    )
    book.skipped["NATS always"] = "the program nats-server is not installed"
    text = as_text(book)
    assert "2,000 [1,000 .. 3,000]" in text
    assert "skipped: NATS always: the program nats-server is not installed" in text
    (target,) = [line for line in text.splitlines() if line.startswith("16 pairs, rate / Redis")]
    assert target.split("  ")[1:3] == [">= 0.75 x", ">= 0.9 x"]


def test_the_json_holds_every_round() -> None:
    book = book_of({"16 pairs": {OURS: result_of(3000.0)}}, {"16 pairs": {OURS: result_of(1000.0)}})
    rates = [one["runs"]["16 pairs"][OURS]["rate"] for one in as_json(book)["rounds"]]
    assert rates == [3000.0, 1000.0]


def test_a_recv_that_was_answered_is_not_measured_as_parked() -> None:
    silent, ours = socket.socketpair()
    with silent, ours:
        memory.check_silent([ours])
        silent.sendall(b"{}")
        with pytest.raises(RuntimeError, match="1 parked recvs were answered"):
            memory.check_silent([ours])


def test_without_enough_file_descriptors_the_error_says_how_many_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 1_000))
    lacking = memory.allow_files(5_000)
    assert lacking == "5,500 open files are needed, and `ulimit -Hn` allows 1,000"


def test_the_limit_of_file_descriptors_is_raised_as_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 8_000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert memory.allow_files(5_000) is None
    assert memory.allow_files(10) is None
    assert asked == [(5_500, 8_000)]
