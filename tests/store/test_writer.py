"""Group commit: batches, errors of single writes, cancellation, errors of the engine."""

import asyncio
import sqlite3
import threading
import time
import weakref
from collections import deque
from contextlib import closing
from pathlib import Path

import pytest
from attrs import define, field

from actors.testing import settle
from hive.histogram import Histogram
from hive.store import (
    InlineEngine,
    Store,
    StoreClosedError,
    StoreError,
    StoreFullError,
    StoreMovedError,
)
from hive.store.database import prepare
from hive.store.engine import COMMIT_BOUNDS, CommitThread, DoneCallback
from hive.store.transaction import Batch, Op, Query, T
from hive.store.writer import MAX_BATCH
from tests.store.writes import RecordingWrite, event


@define(eq=False)
class GatedEngine:
    """An inline engine whose commits wait until they are released."""

    inner: InlineEngine = field(factory=InlineEngine)
    batches: list[int] = field(factory=list)
    held: deque[tuple[Batch, DoneCallback]] = field(factory=deque)
    gated: bool = False
    closed: int = 0

    async def open(self, path: Path) -> None:
        await self.inner.open(path)

    async def open_read_only(self, path: Path) -> None:
        await self.inner.open_read_only(path)

    def commit(self, batch: Batch, done: DoneCallback) -> None:
        self.batches.append(len(batch.ops))
        if self.gated:
            self.held.append((batch, done))
        else:
            self.inner.commit(batch, done)

    def release(self) -> None:
        """Run the waiting commit, and delay no further one."""
        self.gated = False
        self.inner.commit(*self.held.popleft())

    def fail(self, error: BaseException) -> None:
        """Make the waiting commit fail."""
        _, done = self.held.popleft()
        asyncio.get_running_loop().call_soon(done, error)

    async def read(self, query: Query[T]) -> T:
        return await self.inner.read(query)

    async def reopen(self) -> None:
        await self.inner.reopen()

    async def close(self) -> None:
        self.closed += 1
        await self.inner.close()


async def gated(path: Path) -> tuple[GatedEngine, Store]:
    """Open a store whose commits wait until they are released."""
    engine = GatedEngine(gated=True)
    store = Store(path, engine)
    await store.open()
    return engine, store


async def writing_slowly(path: Path) -> tuple[Store, asyncio.Future[None]]:
    """Open a store whose thread is in the middle of a commit; return it with its write."""

    def slow(connection: sqlite3.Connection) -> None:
        time.sleep(0.05)
        event("slow")(connection)

    store = Store(path)
    await store.open()
    in_flight = store.write(slow)
    await asyncio.sleep(0.01)
    return store, in_flight


def raises(error: Exception) -> Op[None]:
    def op(connection: sqlite3.Connection) -> None:
        event("never")(connection)
        raise error

    return op


def names(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT event FROM events ORDER BY seq")]


def loop_errors() -> list[BaseException]:
    """Return the list to which the loop's exception handler appends."""
    found: list[BaseException] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: found.append(context["exception"]))
    return found


def writer_task() -> asyncio.Task[None]:
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == "store writer"]
    return task


# Batches


@pytest.mark.sim
async def test_writes_during_a_commit_share_the_next_batch(path: Path) -> None:
    engine = GatedEngine(gated=True)
    async with Store(path, engine) as store:
        first = store.write(event("a"))
        await settle()
        rest = [store.write(event(name)) for name in "bcd"]
        engine.release()
        await asyncio.gather(first, *rest)
        assert engine.batches == [1, 3]


@pytest.mark.sim
async def test_a_queued_write_is_collected_when_its_batch_starts(path: Path) -> None:
    engine = GatedEngine(gated=True)
    async with Store(path, engine) as store:
        steps: list[str] = []
        first = store.write(event("first"))
        await settle()
        late = RecordingWrite("early", steps)
        store.queue(late)
        late.name = "late"
        engine.release()
        await first
        await settle()
        assert steps == ["late collected", "late committed"]
        assert late.value == 2
        assert await store.read(names) == ["first", "late"]


@pytest.mark.sim
@pytest.mark.parametrize(("hops", "batches"), [(0, [1, 2]), (1, [1, 2]), (3, [1, 1, 1])])
async def test_the_next_batch_waits_two_turns_of_the_loop(
    path: Path, hops: int, batches: list[int]
) -> None:
    def answered(left: int) -> None:
        if left:
            loop.call_soon(answered, left - 1)
        else:
            store.write(event("again"))

    loop, engine = asyncio.get_running_loop(), GatedEngine(gated=True)
    async with Store(path, engine) as store:
        first = RecordingWrite("first", [])
        first.then = lambda: answered(hops)
        store.queue(first)
        await settle()
        store.write(event("waits"))
        engine.release()
        await settle()
        assert engine.batches == batches
        assert set(await store.read(names)) == {"first", "waits", "again"}


@pytest.mark.sim
async def test_a_batch_has_its_limit(path: Path) -> None:
    engine = GatedEngine()
    async with Store(path, engine) as store:
        await asyncio.gather(*(store.write(event("x")) for _ in range(MAX_BATCH + 1)))
    assert engine.batches == [MAX_BATCH, 1]


# Errors of single writes


@pytest.mark.parametrize("error", [ValueError("no"), sqlite3.IntegrityError("no")])
async def test_a_write_that_fails_fails_alone(store: Store, error: Exception) -> None:
    before, bad, after = (
        store.write(event("before")),
        store.write(raises(error)),
        store.write(event("after")),
    )
    with pytest.raises(type(error)):
        await bad
    assert await before == 1
    assert await after == 2
    assert await store.read(names) == ["before", "after"]


async def test_a_statement_that_is_wrong_fails_alone(store: Store) -> None:
    bad = store.write(lambda connection: connection.execute("SELECT * FROM nothing").fetchall())
    good = store.write(event("good"))
    with pytest.raises(sqlite3.OperationalError):
        await bad
    assert await good == 1


@pytest.mark.sim
async def test_writes_are_collected_and_reported_in_order(path: Path) -> None:
    steps: list[str] = []
    async with Store(path, InlineEngine()) as store:
        writes = [RecordingWrite(name, steps) for name in "abc"]
        for write in writes:
            store.queue(write)
        assert steps == []
        await settle()
    assert steps == [f"{name} {step}" for step in ("collected", "committed") for name in "abc"]
    assert [write.value for write in writes] == [1, 2, 3]


@pytest.mark.sim
@pytest.mark.parametrize("at", range(4))
async def test_a_write_that_cannot_be_collected_fails_alone(path: Path, at: int) -> None:
    steps: list[str] = []
    engine = GatedEngine()
    async with Store(path, engine) as store:
        good = [store.write(event(name)) for name in "abc"[:at]]
        bad = RecordingWrite("bad", steps, breaks="collected")
        store.queue(bad)
        good += [store.write(event(name)) for name in "abc"[at:]]
        assert await asyncio.gather(*good) == [1, 2, 3]
        assert steps == ["bad collected", "bad failed: ZeroDivisionError"]
        assert engine.batches == [3]


@pytest.mark.sim
async def test_a_batch_without_a_collected_write_blocks_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.store.writer.MAX_BATCH", 2)
    engine = GatedEngine()
    async with Store(path, engine) as store:
        bad = [RecordingWrite(name, [], breaks="collected") for name in "ab"]
        for write in bad:
            store.queue(write)
        assert await store.write(event("good")) == 1
        assert [type(write.error) for write in bad] == [ZeroDivisionError] * 2
        assert engine.batches == [1]
        store.queue(RecordingWrite("last", [], breaks="collected"))
    assert engine.closed, "close is not blocked either"


@pytest.mark.sim
@pytest.mark.parametrize("breaks", ["committed", "failed"])
async def test_a_failing_callback_does_not_affect_other_writes(path: Path, breaks: str) -> None:
    reported = loop_errors()
    steps: list[str] = []
    engine = GatedEngine(gated=True)
    async with Store(path, engine) as store:
        writes = [
            RecordingWrite("a", steps),
            RecordingWrite("bad", steps, breaks=breaks),
            RecordingWrite("c", steps),
        ]
        for write in writes:
            store.queue(write)
        await settle()
        if breaks == "failed":
            engine.fail(StoreFullError("full"))
            outcome = "failed: StoreFullError"
        else:
            engine.release()
            outcome = "committed"
        await settle()
        others = [step for step in steps if not step.startswith("bad")]
        assert others == ["a collected", "c collected", f"a {outcome}", f"c {outcome}"]
        assert [type(error) for error in reported] == [ZeroDivisionError]
        engine.gated = False
        await store.health.until_recovered()
        assert await store.write(event("after"))


@pytest.mark.sim
async def test_a_failing_listener_is_reported_and_affects_no_write(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    commits: list[str] = []
    async with Store(path, InlineEngine()) as store:
        store.on_commit(fails)
        store.on_commit(lambda: commits.append("heard"))
        assert await store.write(event("a")) == 1
        assert await store.write(event("b")) == 2
    assert commits == ["heard"] * 2
    [failure] = [each for each in caplog.records if "a subscriber of commits" in each.message]
    assert failure.exc_info
    assert failure.exc_info[0] is ZeroDivisionError


# Cancellation and close


async def test_cancelling_a_future_does_not_cancel_its_write(store: Store) -> None:
    one, two = store.write(event("one")), store.write(event("two"))
    one.cancel()
    await two
    assert await store.read(names) == ["one", "two"]


async def test_cancelling_a_task_does_not_affect_the_writer(store: Store) -> None:
    async def caller() -> None:
        await store.write(event("one"))

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.write(event("two"))
    assert await store.read(names) == ["one", "two"]


async def test_close_commits_pending_writes(path: Path) -> None:
    store = Store(path)
    await store.open()
    waiting = [store.write(event(str(n))) for n in range(10)]
    await store.close()
    assert [await future for future in waiting] == list(range(1, 11))
    async with Store(path) as again:
        assert len(await again.read(names)) == 10


@pytest.mark.sim
async def test_close_waits_for_the_commit_in_flight_and_for_pending_writes(path: Path) -> None:
    engine, store = await gated(path)
    steps: list[str] = []
    store.queue(RecordingWrite("in_flight", steps))
    await settle()
    store.queue(RecordingWrite("waiting", steps))
    closing = asyncio.ensure_future(store.close())
    await settle()
    assert not closing.done()
    store.queue(RecordingWrite("late", steps))
    await settle()
    assert steps == ["in_flight collected", "late failed: StoreClosedError"]
    engine.release()
    await closing
    assert steps[2:] == ["in_flight committed", "waiting collected", "waiting committed"]
    assert engine.closed


async def test_close_waits_for_the_thread(path: Path) -> None:
    store, in_flight = await writing_slowly(path)
    await store.close()
    assert in_flight.done()
    async with Store(path) as again:
        assert await again.read(names) == ["slow"]


@pytest.mark.sim
async def test_a_close_that_is_cancelled_loses_nothing(path: Path) -> None:
    engine, store = await gated(path)
    in_flight = store.write(event("in_flight"))
    await settle()
    closing = asyncio.ensure_future(store.close())
    await settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    engine.release()
    assert await in_flight == 1
    await store.close()


@pytest.mark.sim
async def test_after_cancelling_the_writer_the_outcome_of_pending_writes_is_unknown(
    path: Path,
) -> None:
    engine, store = await gated(path)
    steps: list[str] = []
    in_flight = RecordingWrite("in_flight", steps)
    store.queue(in_flight)
    await settle()
    waiting = store.write(event("waiting"))
    store.health.fail(StoreFullError("full"), lasting=False)
    until_recovered = asyncio.ensure_future(store.health.until_recovered())
    await settle()
    writer_task().cancel()
    with pytest.raises(StoreClosedError, match="may or may not"):
        await waiting
    assert "may or may not" in str(in_flight.error)
    with pytest.raises(StoreClosedError):
        await store.write(event("late"))
    with pytest.raises(StoreClosedError):
        await until_recovered
    assert engine.closed, "or its threads would keep the process alive"
    _, done = engine.held.popleft()
    done(None)
    assert steps == ["in_flight collected", "in_flight failed: StoreClosedError"], (
        "each outcome is reported once"
    )
    await store.close()


async def test_cancelling_the_writer_does_not_interrupt_a_commit(path: Path) -> None:
    store, in_flight = await writing_slowly(path)
    writer_task().cancel()
    with pytest.raises(StoreClosedError, match="may or may not"):
        await in_flight
    await store.close()
    async with Store(path) as again:
        assert await again.read(names) == ["slow"]


def test_closing_the_loop_during_a_commit_finishes_it_and_ends_the_thread(path: Path) -> None:
    prepare(path)
    gate, outcomes = threading.Event(), list[object]()

    def slow(connection: sqlite3.Connection) -> None:
        gate.wait(5)
        event("slow")(connection)

    seconds = Histogram(COMMIT_BOUNDS)

    async def begin() -> CommitThread:
        thread = await CommitThread.open(path, seconds)
        thread.run(Batch([slow]), outcomes.append)
        return thread

    thread = asyncio.run(begin())
    gate.set()
    thread._thread.join(5)
    assert not thread._thread.is_alive()
    assert outcomes == []
    assert sum(seconds.counts) == 1, "its time is counted"
    with closing(sqlite3.connect(path)) as connection:
        assert names(connection) == ["slow"]


async def test_a_finished_write_is_garbage_collected_before_the_next_one(store: Store) -> None:
    class Big:
        def __call__(self, connection: sqlite3.Connection) -> None:
            event("big")(connection)

    op = Big()
    kept = weakref.ref(op)
    await store.write(op)
    del op
    for _ in range(100):
        if kept() is None:
            break
        await asyncio.sleep(0.01)
    assert kept() is None


# Errors of the engine


@pytest.mark.sim
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite3.OperationalError("odd"), StoreError),
        (StoreFullError("full"), StoreFullError),
        (StoreMovedError("moved"), StoreMovedError),
    ],
)
async def test_an_error_of_sqlite_or_the_store_fails_the_batch_and_begins_trouble(
    path: Path, error: Exception, expected: type[StoreError]
) -> None:
    engine = GatedEngine(gated=True)
    async with Store(path, engine) as store:
        in_flight = [store.write(event(name)) for name in "ab"]
        await settle()
        waiting = store.write(event("waiting"))
        engine.fail(error)
        engine.gated = False
        for future in (*in_flight, waiting):
            with pytest.raises(expected):
                await future
        trouble = store.health.trouble
        assert trouble is not None
        assert trouble.lasting == (expected is StoreMovedError)
        if not trouble.lasting:
            await store.health.until_recovered()
            assert await store.write(event("after")) == 1


class Gone(BaseException):
    """An unexpected error."""


@pytest.mark.sim
@pytest.mark.parametrize("error", [Gone(), RuntimeError("a bug")])
async def test_any_other_error_of_the_engine_ends_the_writer_and_is_raised_by_close(
    path: Path, error: BaseException
) -> None:
    engine, store = await gated(path)
    steps: list[str] = []
    in_flight, waiting = RecordingWrite("in_flight", steps), RecordingWrite("waiting", steps)
    store.queue(in_flight)
    await settle()
    store.queue(waiting)
    engine.fail(error)
    await settle()
    for write in (in_flight, waiting):
        assert isinstance(write.error, StoreClosedError)
        assert "may or may not" in str(write.error)
    assert engine.closed
    with pytest.raises(StoreClosedError):
        await store.write(event("late"))
    with pytest.raises(type(error)) as caught:
        await store.close()
    assert caught.value is error


@pytest.mark.sim
async def test_a_full_disk_fails_the_batch_but_not_the_store(path: Path) -> None:
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
        pair = [store.write(event("a")), store.write(event("b"))]
        for future in pair:
            with pytest.raises(StoreFullError, match="make room"):
                await future
        full = False
        await store.health.until_recovered()
        assert await store.write(event("c")) == 1
        assert await store.read(names) == ["c"]


async def test_reads_see_whole_batches_only(store: Store) -> None:
    def two(connection: sqlite3.Connection) -> None:
        event("a")(connection)
        event("b")(connection)

    writes = [store.write(two) for _ in range(20)]
    while not all(future.done() for future in writes):
        assert len(await store.read(names)) % 2 == 0


async def test_the_reading_connection_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        await store.read(lambda connection: connection.execute("DELETE FROM events").rowcount)
