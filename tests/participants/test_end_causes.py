"""The cause of an end is what the program said last, or what systemd says beyond that."""

from __future__ import annotations

from typing import Any

import pytest

from hive.exits import Ended, Exited, OutOfMemory, Signaled
from hive.participants.end_causes import CAUSE_MAX, RESULT_WORDS, cause_of, last_meaningful
from hive.participants.participant import LastEnd

TRACEBACK = ["Traceback (most recent call last):", '  File "a.py", line 3, in <module>']
NODE = ["/x/y.js:1", 'throw new Error("boom")', "^", "", "Error: boom"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["starting", "boom: no such key"], "boom: no such key"),
        ([*TRACEBACK, "    d['k']", "    ~^^^^^", "KeyError: 'k'"], "KeyError: 'k'"),
        ([*TRACEBACK, "KeyError: 'k'", "", "   ", "----"], "KeyError: 'k'"),
        ([*NODE, "    at Object.<anonymous> (/x/y.js:1:7)", "", "Node.js v20.1.0"], "Error: boom"),
        (
            ["thread 'main' panicked: boom", "note: run with `RUST_BACKTRACE=1` to see more"],
            "thread 'main' panicked: boom",
        ),
        (["boom", "[hive] killed what outlived the agent: 7"], "boom"),
        (["[hive] the agent could not be run: no such file"], "the agent could not be run: "),
        (["  indented boom  "], "indented boom"),
        (["x" * 1000], "x" * CAUSE_MAX + "..."),
        (["\x1b" * 1000], None),
        (["", "  "], None),
        ([], None),
    ],
)
def test_the_last_line_that_says_something_is_the_cause(
    lines: list[str], expected: str | None
) -> None:
    found = last_meaningful(lines)
    assert found == expected or (expected and found and found.startswith(expected.strip()))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"exit_status": 4}, "boom"),
        ({"exit_status": 0}, None),
        ({"signal": 9}, "boom"),
        ({"oom": True}, "killed: out of memory"),
        ({"signal": 9, "result": "oom-kill"}, "killed: out of memory"),
        ({"signal": 6, "result": "watchdog"}, RESULT_WORDS["watchdog"]),
        ({"signal": 9, "result": "timeout"}, RESULT_WORDS["timeout"]),
        ({"exit_status": 1, "result": "exit-code"}, "boom"),
        ({"signal": 11, "result": "core-dump"}, "boom"),
        ({}, "boom"),
    ],
)
def test_systemd_s_result_counts_where_it_says_more(
    facts: dict[str, Any], expected: str | None
) -> None:
    assert cause_of(facts, ["boom"]) == expected


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Exited(4), "boom: no such key"),
        (Signaled(9), "boom: no such key"),
        (OutOfMemory(), "killed: out of memory"),
        (Exited(0), None),
    ],
)
def test_an_end_has_its_cause(how: Any, expected: str | None) -> None:
    ended = Ended(how, 5.0, ("up", "boom: no such key"))
    assert LastEnd.of(ended).cause == expected
