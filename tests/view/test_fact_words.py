"""The facts of a row in words, the overview, and rows with values of a wrong type."""

from __future__ import annotations

from typing import Any

import pytest

from hive.view.columns import COLUMNS
from hive.view.fact_words import context, memory, processors, size, tier, today
from hive.view.overview_lines import overview_lines
from hive.view.status_lines import details, status_lines
from hive.view.table import snapshot
from hive.view.text import ASCII
from hive.view.urgency import in_order, summary

AT = "2023-11-14T22:13:10Z"
"""Ten seconds before the time of these tests."""


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536 << 20, "1.5 GiB"),
        (1 << 60, "1048576.0 TiB"),
    ],
)
def test_bytes_have_the_largest_unit(count: int, expected: str) -> None:
    assert size(count) == expected


@pytest.mark.parametrize(
    ("words", "fields", "expected"),
    [
        (tier, {"tier": "waiting", "tier_since": AT}, "waiting for 10s"),
        (tier, {"tier": "unknown"}, "unknown"),
        (
            context,
            {"context_fill": 0.256, "context_at": AT},
            "26 % full, reported by its harness 10s ago",
        ),
        (memory, {"memory_bytes": 5 << 20, "resources_at": AT}, "5.0 MiB, read 10s ago"),
        (processors, {"cpu_percent": 0.0, "resources_at": AT}, "0.0 % of one, read 10s ago"),
    ],
)  # fmt: skip
def test_a_fact_has_its_age(words: Any, fields: dict[str, Any], expected: str, now: float) -> None:
    assert words(fields, now) == expected
    assert words({}, now) == "", "what is unknown is left out"


def test_the_use_of_today_says_whether_its_cost_is_known() -> None:
    assert today({}) == ""
    assert today({"tokens_today": 1234567}) == "1,234,567 tokens, cost unknown"
    assert today({"tokens_today": 5, "cost_today_usd": 0.5}) == "5 tokens, $0.50"


def test_details_have_all_facts(row: Any, now: float) -> None:
    facts = {
        "cause": "boom\x1b[2J",
        "verdict": "stalled",
        "verdict_since": AT,
        "verdict_source": "the events of the turn",
        "tier": "running",
        "tier_since": AT,
        "unread_since": AT,
        "turn_since": AT,
        "context_fill": 0.5,
        "context_at": AT,
        "tokens_today": 5,
        "memory_bytes": 7,
        "cpu_percent": 50.0,
        "resources_at": AT,
    }
    lines = [line.strip() for line in details(row("x", "running", **facts), now, ASCII)]
    for expected in (
        "Cause: boom\\x1b[2J",
        "Verdict: stalled 10s (by the events of the turn)",
        "Tier: running for 10s",
        f"Oldest unread: 10s ago ({AT})",
        f"Turn since: 10s ago ({AT})",
        "Context: 50 % full, reported by its harness 10s ago",
        "Today: 5 tokens, cost unknown",
        "Memory: 7 B, read 10s ago",
        "CPU: 50.0 % of one, read 10s ago",
    ):
        assert expected in lines


WRONG: list[dict[str, Any]] = [
    {"since": 5},
    {"state": ["running"]},
    {"status_text": "busy", "status_set_at": {"at": 1}},
    {"next_restart_at": [1]},
    {"restarts": 1, "last_end_at": 7},
    {"unread": "many"},
    {"context_fill": "much", "context_at": AT},
    {"verdict": "stalled", "verdict_since": 3},
]
"""Fields of a wrong type."""


@pytest.mark.parametrize("fields", WRONG, ids=str)
def test_a_row_of_a_wrong_type_costs_no_other(
    fields: dict[str, Any], row: Any, now: float, draw: Any
) -> None:
    broken = {**row("broken", "running"), **fields}
    rows = [row("alice", "running"), broken, row("carol", "running")]
    lines = status_lines(rows, now)
    assert len(lines) == 4
    assert sum("alice" in line or "carol" in line for line in lines) == 2
    assert [line for line in lines if "broken" in line]
    assert {each["name"] for each in in_order(rows, now)} == {"alice", "broken", "carol"}
    assert summary(rows).startswith("3 agents: ")
    picture = "\n".join(draw(snapshot(rows, now, width=200, glyphs=ASCII), width=200))
    assert all(name in picture for name in ("alice", "broken", "carol"))
    assert "broken" in details(rows[1], now, ASCII)[0]
    assert len(COLUMNS) == 10


def test_a_row_that_cannot_be_shown_says_why(row: Any, now: float) -> None:
    lines = status_lines([row("broken", "running", since=5)], now)
    assert "its status cannot be shown (TypeError: " in lines[1]
    assert " unknown " in lines[1]


def test_the_overview_as_lines(now: float) -> None:
    overview: dict[str, Any] = {
        "host": "box\x1b[2J",
        "version": "0.1.0",
        "started_at": AT,
        "now": AT,
        "config": "/etc/hive.toml",
        "agents": {"failed": 1, "running": 2},
        "peers": {},
        "sent_per_second": 2.5,
        "store_bytes": 5 << 20,
        "store_free_bytes": 1 << 30,
        "store_ok": False,
        "store_problem": "the disk is full",
        "turns_running": 1,
        "turns_limit": 4,
        "turns_waiting": 2,
        "frozen": 1,
        "operator_unread": 3,
        "limits": [{"account": "acme", "until": AT, "names": ["a"], "reason": "used up"}],
    }
    assert overview_lines(overview, now) == [
        "   Host: box\\x1b[2J",
        " Daemon: 0.1.0, up 10s",
        " Config: /etc/hive.toml",
        " Agents: 3: 2 running, 1 failed",
        "  Peers: none",
        " Frozen: 1 agent",
        "  Turns: 1 of 4 run, 2 wait",
        "   Mail: 3 unread for you; 2.5 messages a second",
        "  Store: takes no mail, 5.0 MiB, 1.0 GiB free",
        "Trouble: the disk is full",
        f"  Limit: acme  until {AT} (in 0s)  a  used up",
        f"  As of: 10s ago ({AT})",
    ]
    few = {"host": "box", "version": "1", "started_at": AT, "now": AT, "store_ok": True}
    lines = [line.strip() for line in overview_lines(few, now)]
    assert lines[:3] == ["Host: box", "Daemon: 1, up 10s", "Config: none"]
    assert "Mail: 0 unread for you" in lines
    assert "Store: ok" in lines
    named = [line.strip() for line in overview_lines({**few, "name": "lab \x1b[2J"}, now)]
    assert named[:2] == ["Hive: lab \\x1b[2J", "Host: box"]
