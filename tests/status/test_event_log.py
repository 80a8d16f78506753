"""Event log: order, durability before notification, trouble of the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.testing import advance, settle
from hive.clock import LoopClock, rfc3339
from hive.daemon.store_actors import report_trouble
from hive.event_log import EventKind, EventLog
from hive.store import InlineEngine, Store
from hive.store.writer import PROBE_SECONDS
from hive.wire.rows import EventRow
from tests.broker.faults import Faults

pytestmark = pytest.mark.sim


@pytest.fixture(autouse=True)
def documented_events() -> None:
    """Let any event be recorded: those of these tests are made up."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    clock = LoopClock(asyncio.get_running_loop())
    async with Store(tmp_path / "hive.sqlite", InlineEngine(), clock=clock) as opened:
        yield opened


@pytest.fixture
async def log(store: Store) -> EventLog:
    return EventLog(store, LoopClock(asyncio.get_running_loop()))


async def test_subscribers_receive_durable_events_in_order(log: EventLog) -> None:
    received: list[EventRow] = []
    unsubscribe = log.subscribe(received.append)
    log.record(EventKind.STARTED, "alice", pid=7, nothing=None)
    await advance(5)
    log.record(EventKind.DAEMON_STOPPING, keep_agents=True)
    assert len(received) == 1, "subscribers are called after the commit"
    await settle()
    assert received == await log.recent(10)
    assert [(row.event, row.name, row.detail) for row in received] == [
        ("started", "alice", {"pid": 7}),
        ("daemon_stopping", None, {"keep_agents": True}),
    ]
    epoch = LoopClock(asyncio.get_running_loop()).epoch
    assert [row.at for row in received] == [rfc3339(epoch), rfc3339(epoch + 5)]
    unsubscribe()
    log.record(EventKind.STOPPED, "alice")
    await settle()
    assert len(received) == 2


async def test_the_newest_events_after_a_number(log: EventLog) -> None:
    for number in range(5):
        log.record(EventKind.STARTED, f"agent-{number}")
    await settle()
    everything = await log.recent(10)
    assert [row.name for row in await log.recent(2)] == ["agent-3", "agent-4"]
    assert await log.following(10, everything[2].seq) == everything[3:]
    assert await log.following(1, everything[2].seq) == everything[3:4]


async def test_an_event_that_cannot_be_stored_is_logged(
    store: Store, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[EventRow] = []
    log.subscribe(received.append)
    await store.close()
    log.record(EventKind.FAILED, "alice", reason="no such image")
    await settle()
    assert received == []
    assert "could not be stored at once: failed alice {'reason': 'no such image'}" in caplog.text


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def troubled(tmp_path: Path, faults: Faults) -> AsyncIterator[EventLog]:
    """An event log on a store whose disk is full while `faults.full` is set."""
    clock = LoopClock(asyncio.get_running_loop())
    engine = InlineEngine(faults.connection_class())
    async with Store(tmp_path / "troubled.sqlite", engine, clock=clock) as store:
        log = EventLog(store, clock)
        report_trouble(store.health, log)
        yield log


async def test_events_during_trouble_are_written_afterwards_with_their_own_times(
    troubled: EventLog, faults: Faults
) -> None:
    received: list[EventRow] = []
    troubled.subscribe(received.append)
    begin = LoopClock(asyncio.get_running_loop()).now()
    faults.full = True
    troubled.record(EventKind.STARTED, "alice")
    await advance(10)
    troubled.record(EventKind.ENDED, "alice", reason="exit 1")
    await settle()
    assert received == []
    faults.full = False
    await advance(PROBE_SECONDS)
    troubled.record(EventKind.STARTED, "bob")
    await settle()
    assert [(row.event, row.at) for row in received[:3]] == [
        ("started", rfc3339(begin)),
        ("store_failed", rfc3339(begin)),
        ("ended", rfc3339(begin + 10)),
    ]
    assert [row.event for row in received[3:]] == ["store_recovered", "started"]
    assert received == await troubled.recent(10)
    assert "disk is full" in received[1].detail["what"]


async def test_the_first_events_of_a_trouble_are_buffered_and_the_others_counted(
    troubled: EventLog, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.event_log.MAX_BUFFERED", 3)
    faults.full = True
    for number in range(7):
        troubled.record(EventKind.STARTED, f"agent-{number}")
    await settle()
    faults.full = False
    await advance(PROBE_SECONDS)
    found = await troubled.recent(10)
    assert [row.name for row in found[:3]] == ["agent-0", "agent-1", "agent-2"]
    assert [row.event for row in found[3:]] == ["events_lost", "store_recovered"]
    assert found[3].detail == {"count": 5}, "four agents, and that the store failed"


async def test_an_event_of_a_failed_commit_is_not_written_later(
    troubled: EventLog, faults: Faults
) -> None:
    faults.full = True
    troubled.record_with_commit(EventKind.DEAD_LETTER, "bob", id=7)
    await settle()
    faults.full = False
    await advance(PROBE_SECONDS)
    troubled.record_with_commit(EventKind.DEAD_LETTER, "bob", id=8)
    await settle()
    found = await troubled.recent(10)
    assert [row.event for row in found] == ["store_failed", "store_recovered", "dead_letter"]
    assert found[-1].detail == {"id": 8}


async def test_a_subscriber_that_fails_silences_no_other(
    log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[EventRow] = []

    def broken(row: EventRow) -> None:
        raise OSError(5, "Input/output error")

    log.subscribe(broken)
    log.subscribe(received.append)
    for name in ("alice", "bob"):
        log.record(EventKind.STARTED, name)
        await settle()
    assert [row.name for row in received] == ["alice", "bob"]
    failures = [each for each in caplog.records if "a subscriber of the event log" in each.message]
    assert len(failures) == 1
