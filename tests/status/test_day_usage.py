"""Tokens and cost of today: the host's day, each turn once."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hive.status.day_usage import REMEMBERED, Day, DayUsage, day_of
from hive.store import Store, usage
from hive.store.usage import TurnUse
from hive.wire.enums import TurnOutcome
from hive.wire.harness import TurnRecord
from tests.store.conftest import path, store

__all__ = ["path", "store"]

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = 1_700_002_800.0
"""2023-11-15T00:00 in Berlin."""

HOUR = 3600.0


class FakeTime:
    """The time of these tests."""

    def __init__(self, now: float) -> None:
        self.now = now


def turn(ended: float, *, started: float | None = None, **more: Any) -> TurnRecord:
    known = {"input_tokens": 1, "output_tokens": 2, "cache_read_tokens": 4, "cache_write_tokens": 8}
    begin = ended - 5 if started is None else started
    return TurnRecord(begin, ended, "message", TurnOutcome.DONE, **{**known, **more})


def totals(found: DayUsage) -> dict[str, tuple[int, float | None]]:
    return {name: (each.tokens, each.cost) for name, each in found.totals().items()}


@pytest.fixture
def time() -> FakeTime:
    return FakeTime(MIDNIGHT + HOUR)


@pytest.fixture
def today(time: FakeTime) -> DayUsage:
    return DayUsage(lambda: time.now, BERLIN)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (MIDNIGHT, 24),
        (MIDNIGHT + 24 * HOUR - 1, 24),
        (1_711_886_400.0, 23),  # 2024-03-31, the clocks go forward
        (1_730_030_400.0, 25),  # 2024-10-27, they go back
    ],
)
def test_a_day_is_from_midnight_to_midnight_of_the_zone(now: float, hours: int) -> None:
    day = day_of(now, BERLIN)
    assert day.begin <= now < day.end
    assert day.end - day.begin == hours * HOUR
    assert day_of(MIDNIGHT, BERLIN) == Day(MIDNIGHT, MIDNIGHT + 24 * HOUR)


def test_turns_add_up_by_participant(today: DayUsage) -> None:
    today.add("alice", turn(MIDNIGHT + 10, cost_usd=0.5))
    today.add("alice", turn(MIDNIGHT + 20, cost_usd=0.25))
    today.add("bob", turn(MIDNIGHT + 20))
    assert totals(today) == {"alice": (30, 0.75), "bob": (15, None)}


def test_turns_of_a_driver_that_reports_no_use_are_unknown_and_not_zero(today: DayUsage) -> None:
    none = dict.fromkeys(
        ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), 0
    )
    today.add("alice", turn(MIDNIGHT + 10, **none))
    assert totals(today) == {}
    today.add("alice", turn(MIDNIGHT + 20, cost_usd=0.0, **none))
    assert totals(today) == {"alice": (0, 0.0)}


def test_a_repeated_report_replaces_the_first(today: DayUsage) -> None:
    today.add("alice", turn(MIDNIGHT + 10, started=MIDNIGHT, cost_usd=0.5))
    today.add("alice", turn(MIDNIGHT + 10, started=MIDNIGHT, cost_usd=0.75, input_tokens=2))
    assert totals(today) == {"alice": (16, 0.75)}
    for number in range(2 * REMEMBERED):
        today.add("alice", turn(MIDNIGHT + 20 + number))
    assert totals(today)["alice"][0] == 16 + 2 * REMEMBERED * 15


def test_a_turn_belongs_to_the_day_in_which_it_ended(today: DayUsage, time: FakeTime) -> None:
    today.add("alice", turn(MIDNIGHT - 1))
    today.add("alice", turn(MIDNIGHT + 25 * HOUR))
    assert totals(today) == {}
    today.add("alice", turn(MIDNIGHT + 1, started=MIDNIGHT - 10))
    assert totals(today) == {"alice": (15, None)}
    time.now = MIDNIGHT + 24 * HOUR
    assert totals(today) == {}
    today.add("alice", turn(MIDNIGHT + 24 * HOUR, cost_usd=1.0))
    assert totals(today) == {"alice": (15, 1.0)}


@pytest.mark.sim
async def test_the_turns_before_a_restart_of_the_daemon_count(
    store: Store, today: DayUsage
) -> None:
    for ended in (MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 7):
        await store.write(usage.save_turn("alice", turn(ended, cost_usd=0.5)))
    today.load(await store.read(usage.turns_ended_since(today.day.begin)))
    assert totals(today) == {"alice": (30, 1.0)}
    today.add("alice", turn(MIDNIGHT + 7, cost_usd=0.5))
    assert totals(today) == {"alice": (30, 1.0)}, "it was reported again"


def test_the_use_of_a_turn_has_all_its_tokens() -> None:
    assert TurnUse.of(turn(5.0, cost_usd=0.5)) == TurnUse(15, 0.5)
