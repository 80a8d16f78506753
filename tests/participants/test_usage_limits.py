"""Usage limits: storage, end, and the moment at which each participant begins again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.errors import NotFoundError
from hive.participants.usage_limits import SPREAD, UsageLimits, spread
from hive.store import InlineEngine, Store
from hive.store.usage import Limit

NAMES = [f"agent{number}" for number in range(60)]


def test_the_same_participant_and_reset_always_give_the_same_time() -> None:
    assert spread("alice", 1_700_000_000.0) == spread("alice", 1_700_000_000.0)
    assert spread("alice", 1_700_000_000.0) == pytest.approx(5.895, abs=0.001)
    assert spread("alice", 1_700_018_000.0) != spread("alice", 1_700_000_000.0)


def test_many_do_not_begin_at_once() -> None:
    delays = sorted(spread(name, 1_700_000_000.0) for name in NAMES)
    assert delays[0] >= 0.0
    assert delays[-1] < SPREAD
    for begin in range(0, 60, 10):
        together = sum(begin <= delay < begin + 10 for delay in delays)
        assert 3 <= together <= 20, "about a sixth of them begins within ten seconds"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "hive.sqlite", InlineEngine()) as opened:
        yield opened


@pytest.mark.sim
class TestLimits:
    """Limits of accounts in the course of time."""

    async def test_a_limit_holds_until_the_last_has_begun_again(self, store: Store) -> None:
        clock = _Clock(1000.0)
        accounts = UsageLimits(store, clock)
        await accounts.add(Limit("acme", 2000.0, 1000.0, "used up", "alice"))
        assert accounts.limit_of("other") is None
        assert accounts.limit_of(None) is None
        clock.time = 2000.0 + SPREAD - 1
        assert [each.account for each in accounts.current()] == ["acme"]
        clock.time = 2000.0 + SPREAD
        assert accounts.limit_of("acme") is None
        assert accounts.current() == []

    async def test_limits_are_read_from_disk_and_ended_ones_are_deleted(self, store: Store) -> None:
        clock = _Clock(1000.0)
        accounts = UsageLimits(store, clock)
        for name, until in (("old", 1500.0), ("acme", 9000.0)):
            await accounts.add(Limit(name, until, 1000.0, "used up", "alice"))
        clock.time = 5000.0
        again = UsageLimits(store, clock)
        await again.load()
        assert [each.account for each in again.current()] == ["acme"]
        await again.add(Limit("acme", 9500.0, 5000.0, "used up", "bob"))
        again = UsageLimits(store, clock)
        await again.load()
        clock.time = 0.0
        assert [each.account for each in again.current()] == ["acme"], "it is gone from disk"

    async def test_a_lifted_limit_is_gone_from_disk(self, store: Store) -> None:
        accounts = UsageLimits(store, _Clock(1000.0))
        await accounts.add(Limit("acme", 9000.0, 1000.0, "used up", "alice"))
        await accounts.lift("acme")
        with pytest.raises(NotFoundError, match="no limit of an account 'acme'"):
            await accounts.lift("acme")
        await accounts.add(Limit("acne", 9000.0, 1000.0, "used up", "alice"))
        with pytest.raises(NotFoundError, match="did you mean 'acne'"):
            await accounts.lift("acme")
        again = UsageLimits(store, _Clock(1000.0))
        await again.load()
        assert [each.account for each in again.current()] == ["acne"]


class _Clock:
    def __init__(self, time: float) -> None:
        self.time = time

    def now(self) -> float:
        return self.time
