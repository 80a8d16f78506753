"""Events are counted by kind, and restarts by the cause of the exit before them."""

from __future__ import annotations

from typing import Any

import pytest

from hive.metrics.event_counts import EventCounts, cause_of
from hive.wire.rows import EventRow


def counted(*events: tuple[str, str | None, dict[str, Any]]) -> EventCounts:
    counts = EventCounts()
    for seq, (kind, name, detail) in enumerate(events):
        counts.count(EventRow(seq=seq, at="", event=kind, name=name, detail=detail))
    return counts


RESTART = {"in_seconds": 1, "attempt": 1}


def test_a_restart_has_the_cause_of_the_exit_before_it() -> None:
    counts = counted(
        ("ended", "alice", {"reason": "x", "exit_status": 1}),
        ("restarting", "alice", RESTART),
        ("ended", "alice", {"reason": "x", "oom": True}),
        ("restarting", "alice", RESTART),
        ("ended", "bob", {"reason": "x", "signal": 9}),
        ("restarting", "bob", RESTART),
    )
    assert sorted(counts.restarts()) == [
        ("alice", "exit_status", 1),
        ("alice", "out_of_memory", 1),
        ("bob", "signal", 1),
    ]
    assert counts.events == {"ended": 3, "restarting": 3}


def test_a_reboot_and_a_restart_by_others_are_restarts_themselves() -> None:
    counts = counted(("rebooted", "alice", {}), ("external_restart", "alice", {"reason": "x"}))
    assert sorted(counts.restarts()) == [("alice", "external", 1), ("alice", "reboot", 1)]


@pytest.mark.parametrize(
    "leaving",
    [("destroyed", "alice", {"purge": True}), ("renamed", "carol", {"before": "alice"})],
)
def test_a_name_that_has_left_is_forgotten(leaving: tuple[str, str, dict[str, Any]]) -> None:
    counts = counted(("rebooted", "alice", {}), leaving)
    assert not list(counts.restarts())


def test_a_restart_without_a_known_exit_has_an_unknown_cause() -> None:
    assert list(counted(("restarting", "alice", RESTART)).restarts()) == [("alice", "unknown", 1)]


@pytest.mark.parametrize(
    ("detail", "cause"),
    [
        ({"oom": True, "signal": 9}, "out_of_memory"),
        ({"signal": 15}, "signal"),
        ({"exit_status": 0}, "exit_status"),
        ({"reason": "it could not be started"}, "unknown"),
    ],
)
def test_causes(detail: dict[str, Any], cause: str) -> None:
    assert cause_of(detail) == cause
