"""Retention deletes old ended rows in small batches, and never unread mail."""

import asyncio
import sqlite3
from pathlib import Path

import attrs
import pytest

from actors.testing import advance, settle
from hive.errors import CursorTooOldError
from hive.store import NO_ORIGIN, InlineEngine, MessageState, Receipt, Step, Store, receipts, usage
from hive.store.cursors import events_after, mail_after
from hive.store.messages import Changes, highest_id, undelivered
from hive.store.retention import BATCH_ROWS, apply_retention, delete_messages
from hive.wire.enums import TurnOutcome
from hive.wire.harness import TurnRecord
from tests.store.rows import DAY, KEEP, NOW, message, session_number, storing

pytestmark = pytest.mark.sim


async def put(store: Store, *rows: tuple[float, str, float | None]) -> None:
    """Store messages from days since their sending, state, and days since their end."""
    messages = [
        message(
            sent_at=NOW - sent * DAY,
            state=MessageState(state),
            ended_at=None if ended is None else NOW - ended * DAY,
        )
        for sent, state, ended in rows
    ]
    await store.write(storing(*messages))


async def ids(store: Store) -> list[int]:
    return await store.read(
        lambda connection: [row[0] for row in connection.execute("SELECT id FROM messages")]
    )


async def test_only_messages_that_ended_long_ago_are_deleted(store: Store) -> None:
    await put(
        store,
        (40, "acked", 31),
        (40, "acked", 29),
        (40, "expired", 31),
        (400, "stored", None),
        (400, "leased", None),
        (400, "dead", 400),
        (1, "acked", 1),
    )
    assert await apply_retention(store, KEEP, NOW) == 2
    assert await ids(store) == [2, 4, 5, 6, 7]


async def test_many_rows_are_deleted_in_small_batches(store: Store) -> None:
    count = 3 * BATCH_ROWS + 7
    await put(store, *[(40, "acked", 35)] * count)
    commits = 0

    def count_commit() -> None:
        nonlocal commits
        commits += 1

    store.on_commit(count_commit)
    assert await apply_retention(store, KEEP, NOW) == count
    assert commits == 4
    assert await ids(store) == []


async def test_a_row_with_a_time_in_the_future_does_not_end_a_pass(store: Store) -> None:
    await put(store, (-5000, "acked", -5000), (40, "acked", 35))
    assert await apply_retention(store, KEEP, NOW) == 1
    assert await ids(store) == [1]


async def test_many_rows_with_a_time_in_the_future_do_not_end_a_pass(store: Store) -> None:
    rows = [(-5000.0, "acked", -5000.0)] * (BATCH_ROWS + 1)  # of a clock that was wrong for a while
    await put(store, *rows, (40, "acked", 35))
    for at in (*[NOW + 5000 * DAY] * (BATCH_ROWS + 1), NOW - 5000 * DAY):
        store.append_event("started", at=at)
    assert await apply_retention(store, KEEP, NOW) == 2
    assert len(await ids(store)) == BATCH_ROWS + 1


async def test_a_pass_stops_where_all_rows_are_recent(store: Store) -> None:
    await put(store, *[(1, "acked", 1)] * (2 * BATCH_ROWS))
    reads = 0
    read = store.read

    async def counted(query: object) -> object:
        nonlocal reads
        reads += 1
        return await read(query)  # type: ignore[arg-type]

    store.read = counted  # type: ignore[method-assign, assignment]
    assert await apply_retention(store, KEEP, NOW) == 0
    assert reads == 14  # one for each table, and for the surplus of five


async def test_a_message_that_was_replayed_meanwhile_is_kept(store: Store) -> None:
    await put(store, (40, "stored", None))
    assert await store.write(delete_messages([1], NOW)) == 0
    assert await ids(store) == [1]


async def test_numbers_of_deleted_events_are_not_used_again(store: Store) -> None:
    insert = "INSERT INTO events (at, event, detail) VALUES (?, 'x', '{}')"
    times = [(NOW - 91 * DAY,)] * 3 + [(NOW,)]
    await store.write(lambda connection: connection.executemany(insert, times).rowcount)
    assert await apply_retention(store, KEEP, NOW) == 3
    assert [event.seq for event in await store.events()] == [4]
    assert await store.append_event("new") == 5


async def test_no_id_is_used_twice_after_the_newest_message_is_deleted(
    store: Store, path: Path
) -> None:
    await put(store, *[(40, "acked", 35)] * 3)
    assert await apply_retention(store, KEEP, NOW) == 3
    assert await ids(store) == []
    assert await store.read(highest_id) == 3
    await store.close()
    async with Store(path, InlineEngine()) as again:
        assert (await again.read(undelivered(0.0))).last_id == 3
        assert await again.write(storing(message())) == [4]


async def test_receipts_are_deleted_with_their_message(store: Store) -> None:
    await put(store, (40, "acked", 35), (1, "acked", 1))
    steps = [Receipt(number, NOW, Step.RETURNED, 1) for number in (1, 2)]
    await store.write(Changes(receipts=steps))
    assert await apply_retention(store, KEEP, NOW) == 1
    assert [len(await store.read(receipts.of(number))) for number in (1, 2)] == [0, 1]


# Sessions


async def session_names(store: Store) -> list[str]:
    return await store.read(
        lambda c: [name for (name,) in c.execute("SELECT name FROM sessions ORDER BY id")]
    )


async def add_sessions(store: Store, *names: str) -> list[int]:
    """Store rows of sessions; return their numbers."""

    def op(connection: sqlite3.Connection) -> list[int]:
        return [session_number(connection, name, "agent", NO_ORIGIN) for name in names]

    return await store.write(op)


async def test_unused_sessions_are_deleted_when_there_are_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("sender", "holder", "noted", "open", "unused", "another")
    [_, holder, noted, open_one, *_] = await add_sessions(store, *names)
    await store.write(storing(message(sender="sender", session=holder)))
    await store.write(Changes(receipts=[Receipt(1, NOW, Step.RETURNED, 1, noted)]))
    monkeypatch.setattr("hive.store.retention.MIN_SESSIONS", 1 + len(names))
    assert await apply_retention(store, KEEP, NOW, lambda: [open_one]) == 0
    assert await session_names(store) == ["system", *names]
    monkeypatch.setattr("hive.store.retention.MIN_SESSIONS", len(names))
    assert await apply_retention(store, KEEP, NOW, lambda: [open_one]) == 2
    assert await session_names(store) == ["system", "sender", "holder", "noted", "open"]
    assert await apply_retention(store, KEEP, NOW) == 0, "there are few again"


async def test_many_sessions_are_deleted_in_batches(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.store.retention.MIN_SESSIONS", 0)
    monkeypatch.setattr("hive.store.retention.BATCH_ROWS", 4)
    await add_sessions(store, *map(str, range(10)))
    commits: list[None] = []
    store.on_commit(lambda: commits.append(None))
    assert await apply_retention(store, KEEP, NOW) == 10
    assert len(commits) == 1 + 3
    assert await session_names(store) == ["system"]


async def test_a_session_that_closes_with_a_pending_message_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.store.retention.MIN_SESSIONS", 0)
    await add_sessions(store, "alice")

    def just_closed() -> list[int]:
        store.write(storing(message(sender="alice")))
        return []

    assert await apply_retention(store, KEEP, NOW, just_closed) == 0
    assert await ids(store) == [1], "its sender is known"


async def test_a_session_that_opens_during_a_pass_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.store.retention.MIN_SESSIONS", 0)
    await add_sessions(store, "alice")
    opened: list[asyncio.Future[int]] = []

    def just_opened() -> list[int]:
        opened.append(store.write(lambda c: session_number(c, "carol", "agent", NO_ORIGIN)))
        return []

    assert await apply_retention(store, KEEP, NOW, just_opened) == 1
    assert await session_names(store) == ["system", "carol"]


async def test_a_cursor_behind_the_retention_is_refused_with_the_oldest_id(store: Store) -> None:
    await put(store, *[(40, "acked", 35)] * 4, (1, "acked", 1))
    await apply_retention(store, KEEP, NOW)
    with pytest.raises(CursorTooOldError, match="partly gone") as caught:
        await store.read(mail_after("bob", 2))
    assert caught.value.oldest == 5
    chunk = await store.read(mail_after("bob", 4))
    assert ([message.id for message in chunk.rows], chunk.cursor) == ([5], 5)
    assert (await store.read(events_after(0, 10))).is_last


async def test_a_clock_that_jumps_deletes_nothing(
    path: Path,
) -> None:
    from actors import ActorSystem
    from hive.clock import LoopClock
    from hive.daemon.store_actors import FIRST_DELAY, PERIOD, Maintenance

    clock = JumpingClock(LoopClock(asyncio.get_running_loop(), epoch=NOW))
    async with Store(path, InlineEngine()) as store, ActorSystem() as system:
        await put(store, (40, "acked", 35), (10, "acked", 9))
        system.spawn(lambda: Maintenance(store, lambda: KEEP, clock), name="maintenance")
        await settle()
        clock.ahead = 1000 * DAY
        await advance(FIRST_DELAY)
        assert await ids(store) == [2]
        clock.ahead = -1000 * DAY
        await advance(PERIOD)
        assert await ids(store) == [2]
        clock.ahead = 0.0
        await advance(25 * DAY)
        assert await ids(store) == []


class JumpingClock:
    """A wall clock that the test sets."""

    def __init__(self, inner: object) -> None:
        self.inner = inner
        self.ahead = 0.0

    def now(self) -> float:
        return self.inner.now() + self.ahead  # type: ignore[attr-defined, no-any-return]


async def test_only_the_newest_events_of_each_participant_are_kept(store: Store) -> None:
    keep = attrs.evolve(KEEP, events_kept=BATCH_ROWS)
    for name in ("mallory", "alice"):
        count = 2 * BATCH_ROWS + 5 if name == "mallory" else 3
        for _ in range(count):
            await store.append_event("connected", name, at=NOW)
    await store.append_event("daemon_started", at=NOW)
    assert await apply_retention(store, keep, NOW) == BATCH_ROWS + 5
    kept = await store.events(0, 10_000)
    assert [each.name for each in kept].count("mallory") == BATCH_ROWS
    assert len(kept) == BATCH_ROWS + 4
    with pytest.raises(CursorTooOldError):
        await store.read(events_after(1, 1))
    assert await apply_retention(store, keep, NOW) == 0


async def test_only_the_newest_turns_of_each_participant_are_kept(store: Store) -> None:
    keep = attrs.evolve(KEEP, turns_kept=2)
    for number in range(5):
        record = TurnRecord(NOW - number, NOW, "message", TurnOutcome.DONE)
        await store.write(usage.save_turn("mallory", record))
    await store.write(usage.save_turn("alice", record))
    assert await apply_retention(store, keep, NOW) == 3
    found = await store.read(usage.newest_turns("mallory", 9))
    assert [each.started_at for each in found.values()] == [NOW - 1, NOW]
    assert len(await store.read(usage.newest_turns("alice", 9))) == 1
