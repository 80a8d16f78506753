"""The answers that go on talking: status changes, events, log lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hive.core.snapshot import Snapshot
from hive.events import EventLog
from hive.gateway.answers import Push, Stream
from hive.participants.members import Member
from hive.participants.roster import Roster
from hive.wire.rows import EventRow


def status_stream(roster: Roster, snapshot: Snapshot) -> Stream:
    """Push a one-row `agent_statuses` for each participant that changed."""

    async def run(push: Push) -> None:
        dirty: dict[str, Member] = {}
        wake = asyncio.Event()

        def changed(member: Member) -> None:
            dirty[member.name] = member
            wake.set()

        unsubscribe = roster.subscribe(changed)
        try:
            while await wake.wait():
                wake.clear()
                while dirty:
                    name, member = dirty.popitem()
                    if name in roster:
                        push({"agent_statuses": [await snapshot.row(member)]})
        finally:
            unsubscribe()

    return Stream(run)


def event_stream(events: EventLog, limit: int, after: int) -> Stream:
    """Push the newest events, then each new one, without a gap and without repeats."""

    async def run(push: Push) -> None:
        arrived: asyncio.Queue[EventRow] = asyncio.Queue()
        unsubscribe = events.subscribe(arrived.put_nowait)
        try:
            last = after
            for row in await events.recent(limit, after):
                last = row.seq
                push({"events": [row]})
            while True:
                row = await arrived.get()
                if row.seq > last:
                    push({"events": [row]})
        finally:
            unsubscribe()

    return Stream(run)


def log_stream(lines: AsyncIterator[str]) -> Stream:
    """Push log lines as they are written."""

    async def run(push: Push) -> None:
        async for line in lines:
            push({"lines": [line]})

    return Stream(run)
