"""What has ended goes when it is old, in small pieces; what is unread never does."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.testing import advance, settle
from hive.config import Retention
from hive.errors import CursorTooOldError
from hive.store import InlineEngine, Store
from hive.store.cursors import events_after, mail_after
from hive.store.retention import PIECE, drop_messages, sweep

pytestmark = pytest.mark.sim

DAY = 86400.0
NOW = 1000 * DAY
KEEP = Retention(messages=30 * DAY, events=90 * DAY)

INSERT = (
    "INSERT INTO messages (inbox, sender, sender_kind, kind, body, size, sent_at, state, ended_at) "
    "VALUES ('bob', 'alice', 'agent', 'message', 'hello', 5, ?, ?, ?)"
)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with Store(path, InlineEngine()) as opened:
        yield opened


async def put(store: Store, *rows: tuple[float, str, float | None]) -> None:
    """Store messages that were sent and ended so many days ago."""

    def op(connection: sqlite3.Connection) -> None:
        connection.executemany(
            INSERT,
            [
                (NOW - sent * DAY, state, None if ended is None else NOW - ended * DAY)
                for sent, state, ended in rows
            ],
        )

    await store.write(op)


async def ids(store: Store) -> list[int]:
    return await store.read(
        lambda connection: [row[0] for row in connection.execute("SELECT id FROM messages")]
    )


async def test_only_what_has_ended_long_ago_goes(store: Store) -> None:
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
    assert await sweep(store, KEEP, NOW) == 2
    assert await ids(store) == [2, 4, 5, 6, 7]


async def test_many_rows_go_in_small_pieces_and_sends_go_between(store: Store) -> None:
    count = 3 * PIECE + 7
    await put(store, *[(40, "acked", 35)] * count)
    commits = 0

    def count_commit() -> None:
        nonlocal commits
        commits += 1

    store.on_commit(count_commit)
    assert await sweep(store, KEEP, NOW) == count
    assert commits == 4
    assert await ids(store) == []


async def test_a_row_with_a_time_in_the_future_hides_nothing_behind_it(store: Store) -> None:
    await put(store, (-5000, "acked", -5000), (40, "acked", 35))
    assert await sweep(store, KEEP, NOW) == 1
    assert await ids(store) == [1]


async def test_a_sweep_looks_no_further_than_where_all_is_young(store: Store) -> None:
    await put(store, *[(1, "acked", 1)] * (2 * PIECE))
    reads = 0
    read = store.read

    async def counted(query: object) -> object:
        nonlocal reads
        reads += 1
        return await read(query)  # type: ignore[arg-type]

    store.read = counted  # type: ignore[method-assign, assignment]
    assert await sweep(store, KEEP, NOW) == 0
    assert reads == 4  # one for each table


async def test_a_message_that_was_replayed_meanwhile_stays(store: Store) -> None:
    await put(store, (40, "stored", None))
    assert await store.write(drop_messages([1], NOW)) == 0
    assert await ids(store) == [1]


async def test_events_go_and_their_numbers_are_not_used_again(store: Store) -> None:
    insert = "INSERT INTO events (at, event, detail) VALUES (?, 'x', '{}')"
    times = [(NOW - 91 * DAY,)] * 3 + [(NOW,)]
    await store.write(lambda connection: connection.executemany(insert, times).rowcount)
    assert await sweep(store, KEEP, NOW) == 3
    assert [event.seq for event in await store.events()] == [4]
    assert await store.append_event("new") == 5


async def test_a_cursor_behind_what_has_gone_is_told_of_the_oldest(store: Store) -> None:
    await put(store, *[(40, "acked", 35)] * 4, (1, "acked", 1))
    await sweep(store, KEEP, NOW)
    with pytest.raises(CursorTooOldError, match="partly gone") as caught:
        await store.read(mail_after("bob", 2))
    assert caught.value.oldest == 5
    page = await store.read(mail_after("bob", 4))
    assert ([message.id for message in page.rows], page.cursor) == ([5], 5)
    assert (await store.read(events_after(0, 10))).is_last


async def test_the_housekeeper_goes_round_and_a_clock_that_jumps_deletes_nothing(
    path: Path,
) -> None:
    from actors import ActorSystem
    from hive.clock import LoopClock
    from hive.daemon.housekeeper import FIRST_LOOK, PERIOD, Housekeeper

    clock = JumpingClock(LoopClock(asyncio.get_running_loop(), epoch=NOW))
    async with Store(path, InlineEngine()) as store, ActorSystem() as system:
        await put(store, (40, "acked", 35), (10, "acked", 9))
        system.spawn(lambda: Housekeeper(store, KEEP, clock), name="housekeeper")
        await settle()
        clock.ahead = 1000 * DAY
        await advance(FIRST_LOOK)
        assert await ids(store) == [2]
        clock.ahead = -1000 * DAY
        await advance(PERIOD)
        assert await ids(store) == [2]
        clock.ahead = 0.0
        await advance(25 * DAY)
        assert await ids(store) == []


class JumpingClock:
    """A wall clock that somebody sets."""

    def __init__(self, inner: object) -> None:
        self.inner = inner
        self.ahead = 0.0

    def now(self) -> float:
        return self.inner.now() + self.ahead  # type: ignore[attr-defined, no-any-return]
