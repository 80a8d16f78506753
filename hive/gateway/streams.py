"""Streams: status changes, events, log lines, messages and turn events as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing

import msgspec

from hive.clock import Clock
from hive.errors import UnknownNameError
from hive.event_log import EventLog
from hive.gateway.dispatch import Fields, Push, Stream
from hive.gateway.rows import inbox_row, live_row, progress_fields, skipped_row
from hive.participants.participant import Participant
from hive.participants.registry import Registry
from hive.participants.turn_feed import TurnFeed
from hive.status.answer_watch import AnswerWatch
from hive.status.snapshot import Snapshot
from hive.store import Message, Store
from hive.store.cursors import mail_after
from hive.store.events import ALL_EVENTS, EventFilter
from hive.store.listing import CHUNK_ROWS, newest_in_chunks, with_bodies
from hive.store.messages import highest_id
from hive.wire.rows import StatusRow


def status_stream(registry: Registry, snapshot: Snapshot) -> Stream:
    """Push a one-row `agent_statuses` for each participant that changed.

    Several changes of a participant that come before the client takes the row are one row. A row
    that says the same as the last one is not pushed again.
    """

    async def run(push: Push) -> None:
        dirty: dict[str, Participant] = {}
        pushed: dict[str, StatusRow] = {}
        wake = asyncio.Event()

        def changed(participant: Participant) -> None:
            dirty[participant.name] = participant
            wake.set()

        unsubscribe = registry.subscribe(changed)
        try:
            while await wake.wait():
                wake.clear()
                while dirty:
                    name = next(iter(dirty))  # the longest wait first
                    participant = dirty.pop(name)
                    if name not in registry:
                        pushed.pop(name, None)
                        continue
                    row = await snapshot.row(participant)
                    # A sign of life or a sample alone is no change of the status.
                    said = msgspec.structs.replace(
                        row, last_seen=None, memory_bytes=None, cpu_percent=None, resources_at=None
                    )
                    if said != pushed.get(name):
                        pushed[name] = said
                        await push({"agent_statuses": [row]})
        finally:
            unsubscribe()

    return Stream(run)


def while_member(registry: Registry, participant: Participant, stream: Stream) -> Stream:
    """Return a stream that ends when its participant leaves the hive, with an error that says so.

    A later participant of the same name is another one: nothing of it is shown.
    """

    async def run(push: Push) -> None:
        running = asyncio.ensure_future(stream.run(push))

        def changed(_: Participant) -> None:
            if not registry.is_member(participant):
                running.cancel()

        unsubscribe = registry.subscribe(changed)
        try:
            changed(participant)
            await asyncio.wait([running])
        finally:
            unsubscribe()
            running.cancel()
            await asyncio.wait([running])
        if not running.cancelled():
            running.result()
            return
        raise UnknownNameError(
            f"{participant.name!r} has left the hive, or was renamed, so there is nothing to follow"
        )

    return Stream(run)


def event_stream(
    events: EventLog, limit: int, after: int | None, only: EventFilter = ALL_EVENTS
) -> Stream:
    """Push the newest events, or all after `after`; then each new one, without gap or repeat.

    Args:
        events: The event log.
        limit: How many of the newest, if `after` is None.
        after: The number of the last event that the client has.
        only: What the events must fit.
    """

    async def run(push: Push) -> None:
        arrived = asyncio.Event()
        unsubscribe = events.subscribe(lambda _: arrived.set())
        try:
            last = await _newest_events(events, limit, only, push) if after is None else after
            while True:
                arrived.clear()
                chunk = await events.chunk(CHUNK_ROWS, last, only)
                for row in chunk.rows:
                    await push({"events": [row]})
                last = chunk.cursor
                if chunk.is_last:
                    await arrived.wait()
        finally:
            unsubscribe()

    return Stream(run)


async def _newest_events(events: EventLog, limit: int, only: EventFilter, push: Push) -> int:
    """Push the newest events and return the cursor after them."""
    last = await events.last()
    rows = await events.recent(limit, only) if limit else []
    for row in rows:
        await push({"events": [row]})
    return max(last, rows[-1].seq if rows else 0)


def log_stream(lines: AsyncIterator[str]) -> Stream:
    """Push log lines as they are written.

    While the client takes none, none is read from `lines`, which says what it leaves out then.
    """

    async def run(push: Push) -> None:
        async for line in lines:
            await push({"lines": [line]})

    return Stream(run)


async def next_mail(store: Store, inbox: str, cursor: int) -> Fields:
    """Return the next messages after a cursor, and the new cursor."""
    page = await store.read(mail_after(inbox, cursor))
    return _mail_fields(page.rows, page.cursor)


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
                    await push(_mail_fields(page.rows, last))
                if page.is_last:
                    await arrived.wait()
        finally:
            unsubscribe()

    return Stream(run)


async def _newest_mail(store: Store, inbox: str, limit: int, push: Push) -> int:
    """Push the newest messages and return the cursor after them."""
    found, last = await store.read(
        lambda connection: (newest_in_chunks(inbox, limit)(connection), highest_id(connection))
    )
    for ids in found[:-1]:
        await push(_mail_fields(await store.read(with_bodies(ids)), ids[-1]))
    await push(_mail_fields(await store.read(with_bodies(found[-1] if found else [])), last))
    return last


def _mail_fields(messages: Sequence[Message], cursor: int) -> Fields:
    return {"messages": [inbox_row(message) for message in messages], "cursor": cursor}


def answer_stream(watch: AnswerWatch, ids: Collection[int]) -> Stream:
    """Push what is new about messages, until each has an answer or ended without one."""

    async def run(push: Push) -> None:
        async with aclosing(watch.follow(ids)) as found:
            async for progress in found:
                await push(progress_fields(progress))

    return Stream(run)


def live_stream(feed: TurnFeed, count: int, clock: Clock) -> Stream:
    """Push the newest events of a feed, then each new one; say how many the client has missed."""

    async def run(push: Push) -> None:
        arrived = asyncio.Event()
        unsubscribe = feed.watch(arrived.set)
        try:
            position = feed.before_newest(count)
            while True:
                arrived.clear()
                events, skipped, position = feed.after(position)
                if skipped:
                    await push({"live": [skipped_row(skipped, clock.now())]})
                for event in events:
                    await push({"live": [live_row(event)]})
                await arrived.wait()
        finally:
            unsubscribe()

    return Stream(run)
