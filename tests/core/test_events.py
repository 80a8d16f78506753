"""The diary: in order, durable first, told at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.testing import advance, settle
from hive.clock import LoopClock, rfc3339
from hive.events import EventKind, EventLog
from hive.store import InlineEngine, Store
from hive.wire.rows import EventRow

pytestmark = pytest.mark.sim


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    clock = LoopClock(asyncio.get_running_loop())
    async with Store(tmp_path / "hive.sqlite", InlineEngine(), clock=clock) as opened:
        yield opened


@pytest.fixture
async def log(store: Store) -> EventLog:
    return EventLog(store, LoopClock(asyncio.get_running_loop()))


async def test_what_is_told_is_what_is_on_disk_in_the_same_order(log: EventLog) -> None:
    told: list[EventRow] = []
    unsubscribe = log.subscribe(told.append)
    log.record(EventKind.STARTED, "alice", pid=7, nothing=None)
    await advance(5)
    log.record(EventKind.DAEMON_STOPPING, keep_agents=True)
    assert len(told) == 1, "nobody hears of what is not on disk yet"
    await settle()
    assert told == await log.recent(10)
    assert [(row.event, row.name, row.detail) for row in told] == [
        ("started", "alice", {"pid": 7}),
        ("daemon_stopping", None, {"keep_agents": True}),
    ]
    epoch = LoopClock(asyncio.get_running_loop()).epoch
    assert [row.at for row in told] == [rfc3339(epoch), rfc3339(epoch + 5)]
    unsubscribe()
    log.record(EventKind.STOPPED, "alice")
    await settle()
    assert len(told) == 2


async def test_the_newest_events_after_a_number(log: EventLog) -> None:
    for number in range(5):
        log.record(EventKind.STARTED, f"agent-{number}")
    await settle()
    everything = await log.recent(10)
    assert [row.name for row in await log.recent(2)] == ["agent-3", "agent-4"]
    assert await log.following(10, everything[2].seq) == everything[3:]
    assert await log.following(1, everything[2].seq) == everything[3:4]


async def test_an_event_that_cannot_be_stored_is_logged_and_harms_nobody(
    store: Store, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[EventRow] = []
    log.subscribe(told.append)
    await store.close()
    log.record(EventKind.FAILED, "alice", reason="no such image")
    await settle()
    assert told == []
    assert "could not be stored: failed alice {'reason': 'no such image'}" in caplog.text
