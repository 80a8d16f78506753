"""The answers that go on talking: status changes, events, log lines, mail as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hive.event_log import EventLog
from hive.gateway.dispatch import Fields, Push, Stream
from hive.gateway.rows import inbox_row
from hive.participants.participant import Participant
from hive.participants.registry import Registry
from hive.status.snapshot import Snapshot
from hive.store import Store
from hive.store.cursors import PAGE, mail_after
from hive.store.messages import highest_id, newest
from hive.wire.rows import EventRow


def status_stream(registry: Registry, snapshot: Snapshot) -> Stream:
    """Push a one-row `agent_statuses` for each participant that changed."""

    async def run(push: Push) -> None:
        dirty: dict[str, Participant] = {}
        wake = asyncio.Event()

        def changed(participant: Participant) -> None:
            dirty[participant.name] = participant
            wake.set()

        unsubscribe = registry.subscribe(changed)
        try:
            while await wake.wait():
                wake.clear()
                while dirty:
                    name, participant = dirty.popitem()
                    if name in registry:
                        push({"agent_statuses": [await snapshot.row(participant)]})
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


async def next_mail(store: Store, inbox: str, cursor: int) -> Fields:
    """Return the next mail behind a cursor, and where to go on."""
    page = await store.read(mail_after(inbox, cursor))
    return {"messages": [inbox_row(message) for message in page.rows], "cursor": page.cursor}


def mail_stream(store: Store, inbox: str, limit: int, cursor: int) -> Stream:
    """Push an inbox's newest mail, or all behind a cursor; then whatever comes in."""

    async def run(push: Push) -> None:
        arrived = asyncio.Event()
        unsubscribe = store.on_commit(arrived.set)
        try:
            last = cursor or await _newest_mail(store, inbox, limit, push)
            while True:
                arrived.clear()
                page = await store.read(mail_after(inbox, last))
                last = page.cursor
                if page.rows:
                    rows = [inbox_row(message) for message in page.rows]
                    push({"messages": rows, "cursor": last})
                if page.is_last:
                    await arrived.wait()
        finally:
            unsubscribe()

    return Stream(run)


async def _newest_mail(store: Store, inbox: str, limit: int, push: Push) -> int:
    """Push the newest mail and return the cursor behind it."""
    found, last = await store.read(
        lambda connection: (newest(inbox, limit)(connection), highest_id(connection))
    )
    push({"messages": [inbox_row(message) for message in found], "cursor": last})
    return last
