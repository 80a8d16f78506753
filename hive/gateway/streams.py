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

PAGE = 200
"""Events that are read at once for somebody who comes back."""


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
    """Push the newest events, or all behind `after`; then each new one; no gap, no repeats."""

    async def run(push: Push) -> None:
        arrived: asyncio.Queue[EventRow] = asyncio.Queue()
        unsubscribe = events.subscribe(arrived.put_nowait)
        try:
            last = after
            while rows := await _more(events, limit, after, last):
                for row in rows:
                    push({"events": [row]})
                last = rows[-1].seq
                if not after:
                    break
            while True:
                row = await arrived.get()
                if row.seq > last:
                    push({"events": [row]})
        finally:
            unsubscribe()

    return Stream(run)


async def _more(events: EventLog, limit: int, after: int, last: int) -> list[EventRow]:
    return await (events.following(PAGE, last) if after else events.recent(limit))


def log_stream(lines: AsyncIterator[str]) -> Stream:
    """Push log lines as they are written."""

    async def run(push: Push) -> None:
        async for line in lines:
            push({"lines": [line]})

    return Stream(run)
