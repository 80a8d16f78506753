"""Lists of messages: limited in bytes before they are read, with bodies cut as they are read."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import TooLargeError
from hive.store import Kind, MessageState, dead_letters
from hive.store.database import prepare
from hive.store.dead_letters import DeadLetterCriteria
from hive.store.listing import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    LIST_BYTES,
    chunks,
    deliverable,
    newest,
)
from hive.store.search import SearchCriteria, matching
from tests.store.rows import message, put

BODY = 60_000
FITTING = LIST_BYTES // BODY


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "hive.sqlite"
    prepare(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        yield opened


def bodies(found: Any) -> list[Any]:
    return [each.body for each, _ in found]


@pytest.mark.parametrize(
    "query",
    [
        lambda count: newest("bob", count),
        lambda count: newest("bob", count, unread=True),
        lambda count: matching(SearchCriteria(inbox="bob"), count),
        lambda count: deliverable("bob", count, 5.0),
    ],
    ids=["newest", "unread", "search", "deliverable"],
)
def test_a_list_that_is_too_large_is_refused_with_the_number_that_fits(
    connection: sqlite3.Connection, query: Callable[[int], Any]
) -> None:
    put(connection, *[message(body="x" * BODY) for _ in range(FITTING + 20)])
    with pytest.raises(TooLargeError, match=f"ask for at most {FITTING}"):
        query(FITTING + 10)(connection)
    assert len(query(FITTING)(connection)) == FITTING


def test_dead_letters_are_limited_like_other_lists(connection: sqlite3.Connection) -> None:
    dead = {"state": MessageState.DEAD, "ended_at": 1.0}
    put(connection, *[message(body="x" * BODY, **dead) for _ in range(FITTING + 1)])
    with pytest.raises(TooLargeError):
        dead_letters.newest(DeadLetterCriteria(), FITTING + 1)(connection)
    assert len(dead_letters.newest(DeadLetterCriteria(), FITTING)(connection)) == FITTING


def test_a_single_message_is_never_too_large(connection: sqlite3.Connection) -> None:
    put(connection, message(body="x" * (LIST_BYTES + 1)))
    assert len(newest("bob", 9)(connection)) == 1


@pytest.mark.parametrize("most", [0, 1, 3, 4, 100])
@pytest.mark.parametrize("body", ["", "abc", "a\0c\0e", "é😀é😀", "\0"])
def test_bodies_are_cut_by_characters_and_their_length_is_known(
    connection: sqlite3.Connection, body: str, most: int
) -> None:
    put(connection, message(body=body))
    [(found, length)] = newest("bob", 1, body_max=most)(connection)
    assert (found.body, length) == (body[:most], len(body))


def test_cut_bodies_are_small_in_memory(connection: sqlite3.Connection) -> None:
    put(connection, *[message(body="x" * BODY) for _ in range(200)])
    tracemalloc.start()
    found = newest("bob", 200, body_max=10)(connection)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bodies(found) == ["x" * 10] * 200
    assert {length for _, length in found} == {BODY}
    assert peak < 20 * BODY, "not all bodies at once"


def test_what_is_deliverable_is_chosen_by_sender_then_priority_then_age(
    connection: sqlite3.Connection,
) -> None:
    put(
        connection,
        message(body="operator", sender="operator", sender_kind=Kind.OPERATOR),
        message(body="high", priority=-1),
        *[message(body=str(number)) for number in range(5)],
        message(body="later", not_before=9.0),
        message(body="low", priority=1),
    )
    assert bodies(deliverable("bob", 4, 5.0)(connection)) == ["operator", "high", "3", "4"]
    assert bodies(deliverable("bob", 4, 5.0, 2)(connection)) == ["op", "hi", "3", "4"]


@given(st.lists(st.integers(0, 2 * CHUNK_BYTES), max_size=20), st.integers(0, 2 * CHUNK_ROWS))
def test_chunks_are_small_and_leave_nothing_out(large: list[int], small: int) -> None:
    sizes = list(enumerate([*large, *[1] * small]))
    found = list(chunks(sizes))
    assert [each for chunk in found for each in chunk] == [number for number, _ in sizes]
    size_of = dict(sizes)
    for chunk in found:
        assert 0 < len(chunk) <= CHUNK_ROWS
        assert len(chunk) == 1 or sum(size_of[each] for each in chunk) <= CHUNK_BYTES
