"""Streams: status changes, events, log lines, messages and turn events as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hive.event_log import EventLog
from hive.gateway.dispatch import Fields, Push, Stream
from hive.gateway.rows import inbox_row, live_row
from hive.participants.participant import Participant
from hive.participants.registry import Registry
from hive.participants.turn_feed import TurnEvent, TurnFeed
from hive.status.snapshot import Snapshot
from hive.store import Store
from hive.store.cursors import CHUNK_ROWS, mail_after
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
    """Push the newest events, or all after `after`; then each new one, without gap or repeat."""

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
    return await (events.following(CHUNK_ROWS, last) if after else events.recent(limit))


def log_stream(lines: AsyncIterator[str]) -> Stream:
    """Push log lines as they are written."""

    async def run(push: Push) -> None:
        async for line in lines:
            push({"lines": [line]})

    return Stream(run)


async def next_mail(store: Store, inbox: str, cursor: int) -> Fields:
    """Return the next messages after a cursor, and the new cursor."""
    page = await store.read(mail_after(inbox, cursor))
    return {"messages": [inbox_row(message) for message in page.rows], "cursor": page.cursor}


def mail_stream(store: Store, inbox: str, limit: int, cursor: int) -> Stream:
    """Push the newest messages of an inbox, or all after a cursor; then each new one."""

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
    """Push the newest messages and return the cursor after them."""
    found, last = await store.read(
        lambda connection: (newest(inbox, limit)(connection), highest_id(connection))
    )
    push({"messages": [inbox_row(message) for message in found], "cursor": last})
    return last


def live_stream(feed: TurnFeed, count: int) -> Stream:
    """Push the newest events of a feed, then each new one."""

    async def run(push: Push) -> None:
        arrived: asyncio.Queue[TurnEvent] = asyncio.Queue()
        unsubscribe = feed.watch(arrived.put_nowait)
        try:
            for event in feed.newest(count):
                push({"live": [live_row(event)]})
            while True:
                push({"live": [live_row(await arrived.get())]})
        finally:
            unsubscribe()

    return Stream(run)
