"""Backups are consistent snapshots; checks report the state of a store."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hive.errors import ConflictError, FailedError, NotFoundError
from hive.findings import Finding, Verdict
from hive.store import Store, StoreCorruptError
from hive.store.backup import back_up
from hive.store.checks import examine
from hive.store.database import prepare
from hive.store.schema import MIGRATIONS
from tests.store.old_files import build, contents
from tests.store.test_degradation import damage_table, overwrite


async def test_a_backup_of_a_store_in_use_has_every_confirmed_write(
    store: Store, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    writing = asyncio.create_task(write_until(store, stop := asyncio.Event()))
    before = await store.append_event("before")
    made = await asyncio.to_thread(back_up, store.path, target)
    stop.set()
    assert await writing > before
    assert made.size == target_size(target)
    async with Store(target) as copy:
        found = [event.seq for event in await copy.events(max=100_000)]
        assert found == list(range(1, len(found) + 1))
        assert found[-1] >= before


async def write_until(store: Store, stop: asyncio.Event) -> int:
    last = 0
    while not stop.is_set():
        last = await store.append_event("tick")
    return last


def target_size(target: Path) -> int:
    return target.stat().st_size


def test_a_backup_without_a_daemon_has_everything(path: Path, tmp_path: Path) -> None:
    build(path)
    target = tmp_path / "copy"
    assert back_up(path, target).version == len(MIGRATIONS)
    assert contents(target) == contents(path)
    assert sorted(each.name for each in tmp_path.iterdir() if "copy" in each.name) == ["copy"]


def test_an_existing_target_is_kept_unless_forced(path: Path, tmp_path: Path) -> None:
    prepare(path)
    target = tmp_path / "copy"
    target.write_text("precious")
    with pytest.raises(ConflictError, match="--force"):
        back_up(path, target)
    assert target.read_text() == "precious"
    back_up(path, target, force=True)
    assert contents(target)["integrity"] == [("ok",)]


def test_the_store_itself_is_never_the_target(path: Path) -> None:
    prepare(path)
    with pytest.raises(ConflictError, match="is the store itself"):
        back_up(path, path, force=True)


UNSEEN = "x" * 300
"""A file name that stat(2) refuses, for root too."""


def test_a_failed_backup_says_why_and_leaves_no_file(path: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="HYPERHIVE_STATE_DIR"):
        back_up(path, tmp_path / "copy")
    prepare(path)
    with pytest.raises(FailedError, match="No such file"):
        back_up(path, tmp_path / "missing" / "copy")
    with pytest.raises(FailedError, match=r"cannot write .*File name too long"):
        back_up(path, tmp_path / UNSEEN / "copy")
    with pytest.raises(FailedError, match="cannot be looked at: File name too long"):
        back_up(tmp_path / UNSEEN / "hive.sqlite", tmp_path / "copy")
    overwrite(path, 0, b"\0" * 100)
    with pytest.raises(StoreCorruptError):
        back_up(path, tmp_path / "copy")
    assert [each.name for each in tmp_path.iterdir() if "copy" in each.name] == []


# Checks


def graded(found: list[Finding]) -> dict[str, Verdict]:
    return {each.check: each.verdict for each in found}


async def test_all_checks_of_a_healthy_store_in_use_are_ok(store: Store) -> None:
    await store.append_event("x")
    found = await asyncio.to_thread(examine, store.path, 0.0)
    grades = graded(found)
    grades.pop("room")
    assert set(grades) == {"file", "integrity", "schema", "journal", "log", "messages", "oldest"}
    assert set(grades.values()) == {Verdict.OK}
    assert all(not each.remedy for each in found if each.verdict is Verdict.OK)


@pytest.mark.usefixtures("later_program")
def test_an_old_file_with_old_mail_is_a_warning(path: Path) -> None:
    build(path, 1)
    found = {each.check: each for each in examine(path, now=120.0 + 2 * 86400)}
    assert found["schema"].verdict is Verdict.WARNING
    assert found["messages"].sentence == "1 acked, 1 expired, 1 stored"
    assert found["oldest"].verdict is Verdict.WARNING
    assert "message 2 in 'bob' has been unread for 2 days" in found["oldest"].sentence
    assert "inbox bob --unread" in (found["oldest"].remedy or "")


def test_damage_is_a_problem_with_a_remedy(path: Path) -> None:
    build(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage_table(path, "events")
    found = {each.check: each for each in examine(path, now=0.0)}
    assert found["integrity"].verdict is Verdict.PROBLEM
    assert "put a backup in its place" in (found["integrity"].remedy or "")


def test_an_unreadable_store_is_not_reported_as_missing(tmp_path: Path) -> None:
    [found] = examine(tmp_path / UNSEEN / "hive.sqlite", 0.0)
    assert (found.check, found.verdict) == ("file", Verdict.WARNING)
    assert "cannot be looked at: File name too long" in found.sentence


def test_a_file_of_another_format_is_a_problem_and_a_missing_one_a_warning(path: Path) -> None:
    assert graded(examine(path, 0.0)) == {"file": Verdict.WARNING}
    path.write_bytes(b"not a database" * 100)
    assert graded(examine(path, 0.0))["integrity"] is Verdict.PROBLEM


def test_an_exclusively_locked_store_is_not_reported_as_damaged(path: Path) -> None:
    prepare(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as owner:
        owner.execute("PRAGMA locking_mode = EXCLUSIVE")
        owner.execute("SELECT count(*) FROM messages").fetchone()
        found = {each.check: each for each in examine(path, 0.0)}
    assert found["integrity"].verdict is Verdict.WARNING
    assert "make room" in found["integrity"].remedy
