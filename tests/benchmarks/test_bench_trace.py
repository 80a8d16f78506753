"""The trace counts calls on the loop's thread, and distinguishes our functions from others."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from attrs import astuple

from benchmarks.trace.counting import CallCounter, Cost, median
from hive.clock import rfc3339
from hive.names import suggest
from hive.participants.participant import Presence

ROOT = Path(__file__).resolve().parents[2]


def theirs() -> int:
    return len("text")


def test_the_trace_counts_our_functions_those_of_others_and_those_in_c() -> None:
    counter = CallCounter()
    counter.start()
    rfc3339(0.0)
    theirs()
    theirs()
    cost = counter.stop()
    ours = dict(counter.called())
    assert ours["hive/clock.py rfc3339"] == 1
    assert (cost.others, cost.files) == (2, 1)
    assert (cost.own, cost.functions) == (sum(ours.values()), len(ours))
    assert cost.c >= 2


def test_functions_that_attrs_generates_for_our_classes_are_ours_and_have_no_file() -> None:
    counter = CallCounter()
    counter.start()
    Presence()
    cost = counter.stop()
    assert (cost.own, cost.functions, cost.files, cost.others) == (1, 1, 0, 0)


def test_each_start_resets_the_counts_and_other_threads_do_not_count() -> None:
    counter = CallCounter()
    counter.start()
    suggest("a", ["ab"])
    counter.stop()
    thread = threading.Thread(target=rfc3339, args=[0.0])
    counter.start()
    thread.start()
    thread.join()
    assert counter.stop().own == 0


def test_the_median_is_taken_of_each_number() -> None:
    costs = [Cost(1, 9, 5, 3, 2), Cost(3, 7, 5, 3, 2), Cost(2, 8, 50, 3, 2)]
    assert astuple(median(costs)) == (2, 8, 5, 3, 2)


def test_calls_are_divided_by_messages_and_functions_are_not() -> None:
    assert Cost(100, 50, 10, 7, 3).per(10) == Cost(10, 5, 1, 7, 3)


@pytest.fixture(scope="module")
def text() -> str:
    """Output of a short trace of a real hive."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.trace", "--times", "5", "--messages", "50"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_short_trace_counts_a_real_message(text: str) -> None:
    rows = [re.split(r"\s{2,}", line) for line in text.splitlines()[2:]]
    assert [row[0] for row in rows] == [
        "send and delivery",
        "send, delivery and ack",
        "a message at 16 pairs",
    ]
    sent, acked, many = ([float(cell) for cell in row[1:]] for row in rows)
    assert 0 < sent[0] < acked[0]
    assert all(own + other + c == pytest.approx(total) for own, other, c, total in (sent[:4],))
    assert many[4] >= many[5] > 0
