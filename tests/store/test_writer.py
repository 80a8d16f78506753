"""Group commit: what shares a transaction, what fails alone, what a cancelled caller changes."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from attrs import define, field

from actors.testing import settle
from hive.store import InlineEngine, Store, StoreClosedError, StoreError, StoreFullError
from hive.store.unit import Batch, Op, Query, T
from hive.store.writer import MAX_BATCH


@define(eq=False)
class GatedEngine:
    """An inline engine whose commits wait until they are let through."""

    inner: InlineEngine = field(factory=InlineEngine)
    batches: list[int] = field(factory=list)
    gates: list[asyncio.Future[None]] = field(factory=list)
    gated: bool = False

    async def open(self, path: Path) -> None:
        await self.inner.open(path)

    async def commit(self, batch: Batch) -> None:
        self.batches.append(len(batch.ops))
        if self.gated:
            gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.gates.append(gate)
            await gate
        await self.inner.commit(batch)

    async def read(self, query: Query[T]) -> T:
        return await self.inner.read(query)

    async def reopen(self) -> None:
        await self.inner.reopen()

    async def close(self) -> None:
        await self.inner.close()


def insert(name: str) -> Op[int | None]:
    def op(connection: sqlite3.Connection) -> int | None:
        return connection.execute(
            "INSERT INTO events (at, event, detail) VALUES (0, ?, '{}')", (name,)
        ).lastrowid

    return op


def raises(error: Exception) -> Op[None]:
    def op(connection: sqlite3.Connection) -> None:
        insert("never")(connection)
        raise error

    return op


def names(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT event FROM events ORDER BY seq")]


@pytest.mark.sim
async def test_writes_gather_while_a_commit_is_under_way(path: Path) -> None:
    engine = GatedEngine(gated=True)
    async with Store(path, engine) as store:
        first = store.write(insert("a"))
        await settle()
        rest = [store.write(insert(name)) for name in "bcd"]
        engine.gated = False
        engine.gates[0].set_result(None)
        await asyncio.gather(first, *rest)
        assert engine.batches == [1, 3]


@pytest.mark.sim
async def test_a_write_made_late_sees_what_happened_meanwhile(path: Path) -> None:
    engine = GatedEngine(gated=True)
    async with Store(path, engine) as store:
        word = "early"
        first = store.write(insert("first"))
        await settle()
        late = store.write_late(lambda: insert(word))
        word = "late"
        engine.gated = False
        engine.gates[0].set_result(None)
        await asyncio.gather(first, late)
        assert await store.read(names) == ["first", "late"]


@pytest.mark.sim
async def test_a_batch_has_its_limit(path: Path) -> None:
    engine = GatedEngine()
    async with Store(path, engine) as store:
        await asyncio.gather(*(store.write(insert("x")) for _ in range(MAX_BATCH + 1)))
    assert engine.batches == [MAX_BATCH, 1]


@pytest.mark.parametrize("error", [ValueError("no"), sqlite3.IntegrityError("no")])
async def test_a_write_that_fails_fails_alone(store: Store, error: Exception) -> None:
    before, bad, after = (
        store.write(insert("before")),
        store.write(raises(error)),
        store.write(insert("after")),
    )
    with pytest.raises(type(error)):
        await bad
    assert await before == 1
    assert await after == 2
    assert await store.read(names) == ["before", "after"]


async def test_a_statement_that_is_wrong_fails_alone(store: Store) -> None:
    bad = store.write(lambda connection: connection.execute("SELECT * FROM nothing").fetchall())
    good = store.write(insert("good"))
    with pytest.raises(sqlite3.OperationalError):
        await bad
    assert await good == 1


async def test_a_cancelled_caller_cancels_nobody_not_even_its_own_write(store: Store) -> None:
    one, two = store.write(insert("one")), store.write(insert("two"))
    one.cancel()
    await two
    assert await store.read(names) == ["one", "two"]


async def test_a_cancelled_task_leaves_the_writer_unharmed(store: Store) -> None:
    async def caller() -> None:
        await store.write(insert("one"))

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.write(insert("two"))
    assert await store.read(names) == ["one", "two"]


async def test_close_commits_what_waits(path: Path) -> None:
    store = Store(path)
    await store.open()
    waiting = [store.write(insert(str(n))) for n in range(10)]
    await store.close()
    assert [await future for future in waiting] == list(range(1, 11))
    async with Store(path) as again:
        assert len(await again.read(names)) == 10


@pytest.mark.sim
async def test_what_waits_when_the_writer_is_cancelled_hears_that_nobody_knows(path: Path) -> None:
    engine = GatedEngine(gated=True)
    store = Store(path, engine)
    await store.open()
    flying = store.write(insert("flying"))
    await settle()
    waiting = store.write(insert("waiting"))
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == "store writer"]
    task.cancel()
    for future in (flying, waiting):
        with pytest.raises(StoreClosedError, match="may or may not"):
            await future
    with pytest.raises(StoreClosedError):
        await store.write(insert("late"))


@pytest.mark.sim
async def test_a_disk_that_is_full_fails_the_batch_and_not_the_store(path: Path) -> None:
    full = False

    class Filling(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            if sql == "COMMIT" and full and self.in_transaction:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            return super().execute(sql, *args)  # type: ignore[arg-type]

    async with Store(path, InlineEngine(Filling)) as store:
        full = True
        pair = [store.write(insert("a")), store.write(insert("b"))]
        for future in pair:
            with pytest.raises(StoreFullError, match="make room"):
                await future
        full = False
        await store.health.until_good()
        assert await store.write(insert("c")) == 1
        assert await store.read(names) == ["c"]


async def test_reads_see_whole_batches_only(store: Store) -> None:
    def two(connection: sqlite3.Connection) -> None:
        insert("a")(connection)
        insert("b")(connection)

    writes = [store.write(two) for _ in range(20)]
    while not all(future.done() for future in writes):
        assert len(await store.read(names)) % 2 == 0


async def test_the_reading_connection_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        await store.read(lambda connection: connection.execute("DELETE FROM events").rowcount)
