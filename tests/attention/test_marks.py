"""The operator's marks: durable, bounded, and moved with their participant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.testing import advance
from hive.attention import marks as marks_module
from hive.attention.marks import Marks
from hive.clock import LoopClock, rfc3339
from hive.errors import ConflictError
from hive.store import InlineEngine, Store
from hive.store.attention_marks import Mark, rename

pytestmark = pytest.mark.sim


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "s.sqlite", InlineEngine()) as opened:
        yield opened


def made(store: Store) -> Marks:
    return Marks(store, LoopClock(asyncio.get_running_loop()))


async def loaded(store: Store) -> Marks:
    found = made(store)
    await found.load()
    return found


async def test_marks_are_there_after_a_restart_and_what_is_left_out_stays(store: Store) -> None:
    marks = made(store)
    await marks.change("failed-alice", "t1", pinned=True)
    await marks.change("failed-alice", "t1", archived=True)
    await marks.change("bob", None, snooze=60)
    for each in (marks, await loaded(store)):
        assert each.of("failed-alice", "t1") == Mark("failed-alice", "t1", True, True)
        assert each.of("failed-alice", "t2") == Mark("failed-alice", "t2")
        until = rfc3339(LoopClock(asyncio.get_running_loop()).now() + 60)
        assert each.of_participant("bob") == (None, None, until)


async def test_a_mark_that_says_nothing_any_more_is_removed(store: Store) -> None:
    marks = made(store)
    await marks.change("bob", None, pinned=True)
    await marks.change("bob", None, pinned=False)
    await marks.change("eve", None, snooze=5)
    await marks.change("eve", None, snooze=0)
    assert await store.read(lambda c: c.execute("SELECT * FROM attention_marks").fetchall()) == []


async def test_a_snooze_ends_by_itself_and_makes_a_new_occurrence(store: Store) -> None:
    marks = made(store)
    before = marks.occurrence("mail-1", "t", "bob")
    await marks.change("mail-1", "t", snooze=60)
    now = LoopClock(asyncio.get_running_loop()).now()
    assert marks.next_wake() == pytest.approx(now + 60)
    await advance(60)
    assert not marks.of("mail-1", "t").is_snoozed(now + 60)
    assert marks.next_wake() is None
    assert marks.occurrence("mail-1", "t", "bob") != before
    await marks.change("mail-1", "t", snooze=0)
    assert marks.occurrence("mail-1", "t", "bob") == before


async def test_marks_of_items_that_are_gone_are_pruned_with_the_next_mark(store: Store) -> None:
    marks = made(store)
    await marks.change("mail-1", "t", archived=True)
    await marks.change("bob", None, archived=True)
    await marks.change("login-bob", "t", archived=True)
    await marks.change("mail-2", "t", archived=True, present={"mail-2"})
    for each in (marks, await loaded(store)):
        assert not each.of("mail-1", "t").archived
        assert each.of("bob", None).archived
        assert each.of("login-bob", "t").archived, "its harness may connect again"


async def test_there_is_a_most(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks_module, "MARKS_MAX", 1)
    marks = made(store)
    await marks.change("mail-1", "t", archived=True)
    with pytest.raises(ConflictError, match="already 1 mark, at most 1"):
        await marks.change("mail-2", "t", archived=True)
    await marks.change("mail-1", "t", pinned=True)
    await marks.change("mail-2", "t", archived=True, present={"mail-2"})


async def test_they_move_with_a_participant_and_go_with_it(store: Store) -> None:
    marks = made(store)
    for key, since in (("alice", None), ("failed-alice", "t"), ("mail-1", "t")):
        await marks.change(key, since, pinned=True)
    await store.write(lambda connection: rename(connection, "alice", "carol"))
    marks.rename("alice", "carol")
    for each in (marks, await loaded(store)):
        assert each.of("carol", None).pinned
        assert each.of("failed-carol", "t").pinned
        assert not each.of("alice", None).pinned
    await store.delete_participant("carol")
    marks.forget("carol")
    for each in (marks, await loaded(store)):
        assert not each.of("carol", None).pinned
        assert not each.of("failed-carol", "t").pinned
        assert each.of("mail-1", "t").pinned


async def test_marks_at_the_same_time_do_not_lose_each_other(store: Store) -> None:
    marks = made(store)
    await asyncio.gather(
        marks.change("bob", None, pinned=True), marks.change("bob", None, archived=True)
    )
    assert marks.of_participant("bob") == (True, True, None)
