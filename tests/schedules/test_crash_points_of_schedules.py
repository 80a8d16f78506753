"""A crash before every SQL statement of a schedule's life: each message is stored exactly once."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from actors.testing import run_simulation
from hive.clock import Clock, LoopClock
from hive.event_log import EventLog
from hive.schedules.schedule_service import Schedules, ScheduleWish
from hive.store import InlineEngine, Kind, ParticipantRecord, Store, schedules
from tests.broker.client import BrokerClient, local_broker
from tests.broker.faults import Faults, run_until_crash

EVERY_MINUTE = ScheduleWish("bob", "every 1m", "UTC", "look around", "hm1nd", approval=7)


async def opened(store: Store, broker: BrokerClient, clock: Clock) -> Schedules:
    broker.add_inbox("bob", Kind.AGENT)
    broker.add_inbox("hm1nd", Kind.MANAGER)
    found = Schedules(store, broker.service, EventLog(store, clock), clock)
    await found.open(lambda: None)
    return found


async def life(path: Path, faults: Faults, messages: int) -> None:
    clock = LoopClock(asyncio.get_running_loop())
    async with Store(path, InlineEngine(faults.connection_class()), clock=clock) as store:
        await store.upsert_participant(bob(clock.now()))
        async with local_broker(store) as broker:
            service = await opened(store, broker, clock)
            made = await service.create(EVERY_MINUTE)
            for _ in range(messages):
                await asyncio.sleep(60)
                await service.send_due()
            await service.create(EVERY_MINUTE)  # the same approval, carried out again
            await service.cancel(made.id, "hm1nd", "enough")


def bob(now: float) -> ParticipantRecord:
    return ParticipantRecord(name="bob", kind=Kind.AGENT, manifest="{}", created_at=now)


async def rest(path: Path) -> None:
    """Go on after the crash, with a clock that begins where the other one did."""
    clock = LoopClock(asyncio.get_running_loop())
    await asyncio.sleep(200)  # the downtime: more than one time is missed
    async with Store(path, InlineEngine(), clock=clock) as store, local_broker(store) as broker:
        service = await opened(store, broker, clock)
        await service.create(EVERY_MINUTE)  # the approval, which is carried out again
        await service.send_due()
        await service.send_due()


def dues(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT body FROM messages WHERE inbox = 'bob' ORDER BY id")
        return [json.loads(body)["due"] for (body,) in rows]


def rows_of(path: Path) -> list[schedules.Schedule]:
    with closing(sqlite3.connect(path)) as connection:
        return [
            found for number in (1, 2) if (found := schedules.one(number)(connection)) is not None
        ]


def test_no_message_is_lost_or_doubled_wherever_the_process_dies(tmp_path: Path) -> None:
    whole = tmp_path / "whole.sqlite"
    faults = run_until_crash(lambda faults: life(whole, faults, 2), None)
    assert len(set(dues(whole))) == 2
    assert rows_of(whole)[0].reason == "enough"
    for statement in range(1, faults.statements + 1):
        path = tmp_path / f"{statement}.sqlite"
        run_until_crash(lambda faults, path=path: life(path, faults, 2), statement)  # type: ignore[misc]
        before = dues(path) if path.exists() and rows(path) else []
        run_simulation(lambda path=path: rest(path))  # type: ignore[misc]
        found = dues(path)
        assert len(set(found)) == len(found), (statement, "a time was sent twice")
        made = rows_of(path)
        assert len(made) == 1, (statement, "an approval makes one schedule")
        if made[0].ended_at is None and before:
            assert len(found) == len(before) + 1, (statement, "one message for all that was missed")


def rows(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'messages'")
        return found.fetchone() is not None
