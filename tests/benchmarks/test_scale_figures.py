"""The report of the benchmark of many agents, and the processor time that it reads."""

from __future__ import annotations

import os
import time

from attrs import evolve

from benchmarks.scale.figures import Figures
from benchmarks.scale.processor_time import busy_seconds, loop_seconds, seconds_of

GOOD = Figures(
    500, socket=0.9, connected=70.0, part=60.0, others=2.0, status=9.0, stop=4.0, end=4.0
)


def verdicts(figures: Figures) -> dict[str, bool]:
    return {
        " ".join(line.split("  ")[1].split()): "MISSED" not in line
        for line in figures.lines()[1:]
        if "target" in line
    }


def test_each_target_is_judged() -> None:
    assert set(verdicts(GOOD).values()) == {True}
    worse = {
        "host.sock answers": evolve(GOOD, socket=1.1),
        "all connected": evolve(GOOD, connected=80.0),
        "agent_status": evolve(GOOD, status=11.0),
        "stop of all": evolve(GOOD, stop=6.0),
        "SIGTERM of the daemon": evolve(GOOD, end=6.0),
    }
    for title, figures in worse.items():
        assert [name for name, met in verdicts(figures).items() if not met] == [title]


def test_the_time_of_other_programs_is_allowed_for() -> None:
    busy = evolve(GOOD, connected=100.0, others=40.0)
    assert verdicts(busy)["all connected"]
    assert any("1.00 of their own 60.00 s and of others' 40.00 s" in each for each in busy.lines())


def test_processor_time_is_that_of_the_process() -> None:
    before, busy = seconds_of(os.getpid()), busy_seconds()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert 0.05 <= seconds_of(os.getpid()) - before <= 5
    assert busy_seconds() > busy
    assert 0 < loop_seconds(os.getpid()) <= seconds_of(os.getpid())
    assert seconds_of(2**22 + 1) == 0, "there is no such process"
