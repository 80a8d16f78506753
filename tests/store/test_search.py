"""Search by words, sender, inbox, thread and time."""

import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hive.store import MessageKind, MessageState, Store
from hive.store.cursors import mail_after
from hive.store.listing import CHUNK_ROWS
from hive.store.search import (
    BATCH_ROWS,
    SearchCriteria,
    fts_query,
    has_unindexed,
    search,
    update_index,
)
from tests.store.rows import message, storing


async def put(
    store: Store,
    body: str,
    *,
    sender: str = "alice",
    inbox: str = "bob",
    at: float = 0.0,
    thread: int | None = None,
    times: int = 1,
) -> None:
    messages = [
        message(
            body=body,
            sender=sender,
            inbox=inbox,
            sent_at=at,
            thread=thread,
            state=MessageState.ACKED,
        )
        for _ in range(times)
    ]
    await store.write(storing(*messages))


async def ids(store: Store, text: str | None = None, count: int = 50, **more: object) -> list[int]:
    criteria = SearchCriteria(text, **more)  # type: ignore[arg-type]
    return [message.id for message in await search(store, criteria, count)]


@pytest.mark.sim
async def test_words_are_found_in_any_order_and_case(store: Store) -> None:
    await put(store, "The quick brown Fox")
    await put(store, "a slow fox")
    assert await ids(store, "FOX quick") == [1]
    assert await ids(store, "fox") == [1, 2]
    assert await ids(store, "fo*") == [1, 2]
    assert await ids(store, "fo") == []


@pytest.mark.sim
async def test_the_newest_are_shown_oldest_first(store: Store) -> None:
    await put(store, "again", times=5)
    assert await ids(store, "again", 2) == [4, 5]


@pytest.mark.sim
async def test_every_criterion_narrows_the_result(store: Store) -> None:
    await put(store, "report", at=10.0)
    await put(store, "report", sender="carol", at=20.0, thread=1)
    await put(store, "report", inbox="dave", at=30.0)
    assert await ids(store, "report", sender="carol") == [2]
    assert await ids(store, "report", inbox="dave") == [3]
    assert await ids(store, "report", since=20.0) == [2, 3]
    assert await ids(store, "report", until=20.0) == [1]
    assert await ids(store, thread=1) == [1, 2]
    assert await ids(store, sender="carol", inbox="dave") == []


@pytest.mark.sim
async def test_reminders_are_found_as_sent_by_the_reminder_only(store: Store) -> None:
    reminder = message(body="report", inbox="bob", kind=MessageKind.REMINDER, sender="bob")
    await store.write(storing(reminder))
    await put(store, "report", sender="bob")
    assert await ids(store, "report", sender="reminder") == [1]
    assert await ids(store, "report", sender="bob") == [2]


@pytest.mark.sim
async def test_new_messages_are_found_and_deleted_ones_are_not(store: Store) -> None:
    await put(store, "first word")
    assert await ids(store, "word") == [1]
    await put(store, "second word")
    assert await ids(store, "word") == [1, 2]
    await store.write(lambda connection: connection.execute("DELETE FROM mail").rowcount)
    assert await ids(store, "word") == []
    await store.write(
        lambda connection: (
            connection.execute("INSERT INTO search (search) VALUES ('integrity-check')").rowcount
        )
    )


@pytest.mark.sim
async def test_the_index_is_updated_in_batches(store: Store) -> None:
    await put(store, "small", times=2 * BATCH_ROWS + 1)
    commits: list[None] = []
    store.on_commit(lambda: commits.append(None))
    await update_index(store)
    assert len(commits) == 3
    assert not await store.read(has_unindexed)


@pytest.mark.sim
async def test_bodies_larger_than_a_batch_are_indexed(store: Store) -> None:
    await put(store, "word " * 100_000, times=3)
    assert await ids(store, "word") == [1, 2, 3]


@pytest.mark.sim
async def test_a_nul_separates_words(store: Store) -> None:
    await put(store, "before\0behind")
    assert await ids(store, "behind\0before") == [1]


@given(st.text(max_size=40))
@example("\0")
def test_no_text_is_an_error_or_an_operator(text: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE search USING fts5 (body)")
    connection.execute(
        "SELECT rowid FROM search WHERE search MATCH ?", (fts_query(text),)
    ).fetchall()
    connection.close()


@pytest.mark.sim
async def test_chunks_of_mail_join_without_a_gap(store: Store) -> None:
    for number in range(3):
        await put(store, "theirs", inbox="dave", times=CHUNK_ROWS)
        await put(store, f"ours {number}")
    found, cursor, is_last = [], 0, False
    while not is_last:
        chunk = await store.read(mail_after("bob", cursor))
        found += [message.body for message in chunk.rows]
        cursor, is_last = chunk.cursor, chunk.is_last
    assert found == ["ours 0", "ours 1", "ours 2"]
    assert cursor == 3 * CHUNK_ROWS + 3
