"""Failing disks: writes are refused at once, and accepted again after recovery."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from actors.testing import advance, settle
from hive.clock import rfc3339
from hive.store import (
    InlineEngine,
    Store,
    StoreClosedError,
    StoreCorruptError,
    StoreDiskError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreLogMissingError,
    StoreMovedError,
    StoreReadOnlyError,
    ThreadEngine,
)
from hive.store.database import wal_path
from hive.store.health import Trouble
from hive.store.transaction import Batch, Op, Work
from tests.broker.faults import Faults
from tests.store.old_files import build
from tests.store.writes import RecordingWrite

OPEN = """
import asyncio, sys
from pathlib import Path
from hive.store import Store, StoreError

try:
    asyncio.run(Store(Path(sys.argv[1])).open())
except StoreError as error:
    print(f"{type(error).__name__}: {error}")
"""

LEAVE = """
import asyncio, os, sys
from pathlib import Path
from hive.store import Store

async def main():
    async with Store(Path(sys.argv[1])) as store:
        await store.append_event("before")
        if sys.argv[2] == "killed":
            os._exit(0)

asyncio.run(main())
"""

BIG = {"body": "x" * 400_000}


@pytest.fixture(autouse=True)
def quick_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe real disks often and do not wait for real locks."""
    monkeypatch.setattr("hive.store.database.BUSY_SECONDS", 0.0)
    monkeypatch.setattr("hive.store.engine.BUSY_SECONDS", 0.0)
    monkeypatch.setattr("hive.store.writer.PROBE_SECONDS", 0.01)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def fragile(path: Path, faults: Faults) -> AsyncIterator[Store]:
    """A store on the simulation loop, whose disk is full while `faults.full` is set."""
    async with Store(path, InlineEngine(faults.connection_class())) as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine cannot mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def events_of(store: Store) -> list[str]:
    return [event.event for event in await store.events()]


# Refusals


@pytest.mark.sim
async def test_after_a_failed_commit_writes_are_refused_without_an_attempt(
    fragile: Store, faults: Faults
) -> None:
    faults.full = True
    with pytest.raises(StoreFullError, match="disk is full"):
        await fragile.append_event("first")
    tried = faults.statements
    with pytest.raises(StoreFullError, match=r"nothing is stored since .*Z: .*make room"):
        await fragile.append_event("second")
    assert faults.statements == tried
    assert fragile.health.trouble is not None
    assert await events_of(fragile) == []


@pytest.mark.sim
async def test_pending_writes_are_refused_with_the_failed_commit(
    fragile: Store, faults: Faults
) -> None:
    faults.full = True
    writes = [fragile.append_event(str(number)) for number in range(600)]
    for write in writes:
        with pytest.raises(StoreFullError):
            await write
    assert await events_of(fragile) == []


@pytest.mark.sim
async def test_a_queued_write_is_collected_even_if_it_is_refused(
    fragile: Store, faults: Faults
) -> None:
    steps: list[str] = []
    faults.full = True
    with pytest.raises(StoreFullError):
        await fragile.append_event("first")
    fragile.queue(RecordingWrite("late", steps))
    await settle()
    assert steps == ["late collected", "late failed: StoreFullError"]


@pytest.mark.sim
async def test_the_disk_is_probed_until_a_commit_succeeds(
    fragile: Store, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.store.writer.PROBE_SECONDS", 1.0)
    changes: list[tuple[Trouble | None, Trouble | None]] = []
    fragile.health.subscribe(lambda before, now: changes.append((before, now)))
    faults.full = True
    with pytest.raises(StoreFullError):
        await fragile.append_event("lost")
    await advance(30.0)
    assert fragile.health.trouble is not None
    faults.full = False
    await advance(1.0)
    assert fragile.health.trouble is None
    assert await fragile.append_event("kept") == 1
    [(before, began), (ended, after)] = changes
    assert (before, after) == (None, None)
    assert began is ended
    assert isinstance(began, Trouble)


@pytest.mark.sim
async def test_closing_a_store_in_trouble_ends_the_wait_for_recovery(
    fragile: Store, faults: Faults
) -> None:
    faults.full = True
    with pytest.raises(StoreFullError):
        await fragile.append_event("lost")
    waiting = asyncio.ensure_future(fragile.health.until_recovered())
    await settle()
    await fragile.close()
    with pytest.raises(StoreClosedError):
        await waiting


def test_a_refusal_has_the_class_the_reason_and_the_time_of_the_first_failure() -> None:
    trouble = Trouble(StoreDiskError("the disk fails"), since=0.0)
    refusal = trouble.refusal()
    assert type(refusal) is StoreDiskError
    assert str(refusal) == f"nothing is stored since {rfc3339(0.0)}: the disk fails"


# Real causes


async def test_a_store_on_a_full_disk_serves_reads_and_recovers(small_disk: Path) -> None:
    async with Store(small_disk / "hive.sqlite") as store:
        await store.append_event("before")
        ballast = small_disk / "ballast"
        fill(ballast)
        with pytest.raises(StoreFullError, match="make room"):
            await store.append_event("big", detail=BIG)
        assert await events_of(store) == ["before"]
        with pytest.raises(StoreFullError, match="nothing is stored since"):
            await store.append_event("small")
        remove(ballast)
        await store.health.until_recovered()
        await store.append_event("after")
        assert await events_of(store) == ["before", "after"]


@pytest.mark.parametrize("ended", ["closed", "killed"])
async def test_a_store_opens_read_only_on_a_full_disk_and_recovers(
    small_disk: Path, ended: str
) -> None:
    path, ballast = small_disk / "hive.sqlite", small_disk / "ballast"
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", LEAVE, path, ended], check=True)
    fill(ballast)
    async with Store(path) as store:
        assert await events_of(store) == ["before"]
        if ended == "closed":  # recovery of the log of a killed one frees space
            with pytest.raises(StoreFullError, match="nothing is stored since"):
                await store.append_event("refused")
            assert await events_of(store) == ["before"]
        remove(ballast)
        await store.health.until_recovered()
        await store.append_event("after", detail=BIG)
        assert await events_of(store) == ["before", "after"]
    async with Store(path) as again:
        assert await events_of(again) == ["before", "after"]


@pytest.mark.usefixtures("later_program")
async def test_a_store_that_needs_a_migration_does_not_open_on_a_full_disk(
    small_disk: Path,
) -> None:
    path = small_disk / "hive.sqlite"
    await asyncio.to_thread(build, path, 1)
    fill(small_disk / "ballast")
    with pytest.raises(StoreFullError, match="make room"):
        await Store(path).open()
    remove(small_disk / "ballast")
    async with Store(path) as store:
        assert store.health.trouble is None
        assert await events_of(store) == ["old"]


async def test_a_file_that_may_not_grow_is_reported_as_full(path: Path) -> None:
    engine = ThreadEngine()
    async with Store(path, engine) as store:
        pages = await store.read(lambda found: found.execute("PRAGMA page_count").fetchone()[0])
        await store.write(limit_pages(pages))
        with pytest.raises(StoreFullError):
            await store.append_event("big", detail=BIG)
        await run_and_wait(engine, Batch([limit_pages(1_000_000)]))
        await store.health.until_recovered()
        assert await store.append_event("big", detail=BIG) == 1


async def test_a_lock_of_another_program_is_reported_until_it_is_released(path: Path) -> None:
    async with Store(path) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreLockedError, match="another program"):
                await store.append_event("blocked")
            other.execute("ROLLBACK")
        await store.health.until_recovered()
        assert await store.append_event("free") == 1


async def test_a_file_that_turns_read_only_is_reported_until_it_is_writable(path: Path) -> None:
    engine = ThreadEngine()
    async with Store(path, engine) as store:
        await store.append_event("before")
        await run_pragma(engine, "query_only = ON")
        with pytest.raises(StoreReadOnlyError, match="write access"):
            await store.append_event("refused")
        assert await events_of(store) == ["before"]
        await run_pragma(engine, "query_only = OFF")
        await store.health.until_recovered()
        await store.append_event("after")
        assert await events_of(store) == ["before", "after"]


async def test_a_deleted_log_loses_no_confirmed_write(path: Path) -> None:
    async with Store(path) as store:
        await store.append_event("before")
        remove(wal_path(path))
        with pytest.raises(StoreLogMissingError, match="deleted or replaced"):
            await store.append_event("unsure")
        await store.health.until_recovered()
        await store.append_event("after")
    async with Store(path) as again:
        found = await events_of(again)
    assert found[0] == "before"
    assert found[-1] == "after"
    assert set(found) <= {"before", "unsure", "after"}


async def test_a_read_while_the_store_is_opened_again_is_served_or_refused(path: Path) -> None:
    engine = ThreadEngine()
    async with Store(path, engine) as store:
        reopening = asyncio.ensure_future(engine.reopen())
        refused = 0
        while not reopening.done():
            try:
                await store.events()
            except StoreLogMissingError:
                refused += 1
            await asyncio.sleep(0)
        await reopening
        assert refused
        assert await events_of(store) == []


async def test_a_read_whose_transaction_sqlite_has_ended_reports_the_cause(path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")  # as SQLite does after an error of the disk
        connection.execute("SELECT * FROM nowhere")

    async with Store(path) as store:
        with pytest.raises(StoreError, match="no such table: nowhere"):
            await store.read(fail)
        assert await events_of(store) == []


async def test_a_replaced_store_accepts_nothing_until_it_is_reopened(path: Path) -> None:
    async with Store(path) as store:
        await store.append_event("before")
        kept = path.with_name("kept")
        move(path, kept)
        with pytest.raises(StoreMovedError, match="put the file or a backup back"):
            await store.append_event("unsure")
        assert store.health.trouble is not None
        assert store.health.trouble.lasting
        with pytest.raises(StoreMovedError, match="nothing is stored since"):
            await store.append_event("refused")


async def test_a_damaged_page_is_reported_and_ends_all_writes(
    path: Path,
) -> None:
    async with Store(path) as store:
        await store.append_event("before")
    damage_table(path, "events")
    async with Store(path) as store:
        with pytest.raises(StoreCorruptError, match="is damaged"):
            await store.events()
        with pytest.raises(StoreCorruptError, match="restore a backup"):
            await store.append_event("after")
        assert store.health.trouble is not None
        assert store.health.trouble.lasting


async def test_a_damaged_header_is_reported_at_the_start(path: Path) -> None:
    async with Store(path) as store:
        await store.append_event("before")
    overwrite(path, 0, b"\0" * 100)
    with pytest.raises(StoreCorruptError, match="not an SQLite file"):
        await Store(path).open()


def test_a_directory_without_write_access_is_reported_at_the_start() -> None:
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o555)
        user = 65534 if os.geteuid() == 0 else None
        try:
            done = subprocess.run(
                [sys.executable, "-c", OPEN, f"{directory}/hive.sqlite"],
                user=user,
                cwd=Path(__file__).parents[2],
                capture_output=True,
                text=True,
                check=False,
            )
        except PermissionError:
            pytest.skip("another user may not run this Python")
    if "Error" in done.stderr:
        pytest.skip("another user may not read this Python's libraries")
    assert "StoreLockedError: " in done.stdout
    assert "may be written" in done.stdout


# Helpers that block on the disk


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


def remove(path: Path) -> None:
    path.unlink()


def move(path: Path, target: Path) -> None:
    path.rename(target)


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def damage_table(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        page = connection.execute(query, (table,)).fetchone()[0]
    overwrite(path, (page - 1) * size, b"\xff" * size)


def limit_pages(pages: int) -> Op[None]:
    def op(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()

    return op


async def run_pragma(engine: ThreadEngine, pragma: str) -> None:
    """Change a setting of the writing connection, outside of a transaction."""

    class Pragma:
        def run(self, connection: sqlite3.Connection) -> None:
            connection.execute(f"PRAGMA {pragma}")

    await run_and_wait(engine, Pragma())


async def run_and_wait(engine: ThreadEngine, unit: Work) -> None:
    """Run work on the writing connection, regardless of trouble."""
    assert engine._writer is not None
    await engine._writer.run_and_wait(unit)
