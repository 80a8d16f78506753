"""A whole benchmark: start everything, go round by round, end everything."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from attrs import define, evolve, field, frozen

from benchmarks.delivery import disk, growth, isolation, memory
from benchmarks.delivery.book import Book, Disk, Round
from benchmarks.delivery.measuring import (
    ONE_SENDER,
    PAIRS_16,
    PAIRS_128,
    PING_PONG,
    SENDERS,
    WHOAMI,
    WORKLOADS,
    Result,
    Timing,
    Workload,
    run,
    run_embedded,
)
from benchmarks.delivery.systems import brokers, embedded
from benchmarks.delivery.systems.base import Broker, Driven, Embedded
from benchmarks.delivery.systems.front import Front, Streams
from benchmarks.delivery.systems.hyperhive import Hyperhive


class Selectable(Protocol):
    """A system that may be left out, or may be missing on this machine."""

    @property
    def name(self) -> str:
        """Its name in the report."""
        ...

    @property
    def missing(self) -> str | None:
        """Why it cannot be run here, in words; None if it can."""
        ...


S = TypeVar("S", bound=Selectable)
T = TypeVar("T")

Say = Callable[[str], None]
"""Prints progress."""

FULL_TIMING = Timing(warm_up=0.5, measured=2.0)


@frozen
class Plan:
    """The extent of a benchmark.

    Attributes:
        rounds: How often everything is repeated.
        timing: Of one run.
        workloads: What the servers are driven with.
        systems: Names of the systems; empty means all.
        extras: Whether isolation, growth and memory of our own daemon are measured too.
        rows: Delivered messages in the small and in the large database.
        samples: Single operations that are timed for the disk, for isolation and for growth.
        parked: Connections that wait in `recv` while the memory is looked at; 0 leaves it out.
        long: Messages before the first and before the second look at the memory.
        endures: Whether those are sent at all: it takes minutes.
    """

    rounds: int = 5
    timing: Timing = FULL_TIMING
    workloads: tuple[Workload, ...] = WORKLOADS
    systems: frozenset[str] = frozenset()
    extras: bool = True
    rows: tuple[int, int] = (100_000, 1_000_000)
    samples: int = 500
    parked: int = 5_000
    long: tuple[int, int] = (200_000, 2_000_000)
    endures: bool = False

    @property
    def lanes(self) -> int:
        """The lanes that a server must have."""
        return max(workload.lanes for workload in (*self.workloads, SENDERS))


QUICK = Plan(
    rounds=1,
    timing=Timing(warm_up=0.05, measured=0.2),
    workloads=(ONE_SENDER, SENDERS, PING_PONG, PAIRS_16, WHOAMI),
    rows=(100, 1000),
    samples=20,
    parked=200,
    long=(1_000, 2_000),
)
"""Enough to show that the benchmark works; the numbers mean nothing."""


@define
class Running:
    """The systems that take part; `grown` are ours with few and with many delivered rows."""

    libraries: list[Embedded]
    servers: list[Broker] = field(factory=list)
    fronts: list[Front] = field(factory=list)
    grown: list[Hyperhive] = field(factory=list)

    @property
    def ours(self) -> Hyperhive | None:
        """Our own daemon, if it takes part."""
        return next((each for each in self.servers if isinstance(each, Hyperhive)), None)

    def driven(self, workload: Workload) -> Sequence[Driven]:
        """Return the systems that a workload applies to."""
        return self.fronts if workload is WHOAMI else self.servers


async def measure(plan: Plan, directory: Path | None, say: Say) -> Book:
    """Run a whole benchmark in a temporary directory within `directory`."""
    book = Book(plan.rows, plan.long)
    if (lacking := memory.allow_files(plan.parked)) is not None:
        book.skipped["memory of a parked recv"] = lacking
        plan = evolve(plan, parked=0)
    with tempfile.TemporaryDirectory(prefix="hb-", dir=directory) as root:
        async with _running(plan, Path(root), book, say) as running:
            for number in range(plan.rounds):
                say(f"round {number + 1} of {plan.rounds}")
                book.rounds.append(await _round(plan, Path(root), running, number, say))
    return book


@contextlib.asynccontextmanager
async def _running(plan: Plan, root: Path, book: Book, say: Say) -> AsyncIterator[Running]:
    running = Running(_present(embedded(), plan, book))
    with contextlib.ExitStack() as stack:
        for server in _present(brokers(), plan, book):
            stack.callback(server.stop)
            await server.start(_place(root, server.name), plan.lanes)
            running.servers.append(server)
        if running.ours is not None:
            say(f"hyperhive runs as process {running.ours.pid}")
            running.fronts.append(Front(running.ours))
        for streams in _present([Streams()], plan, book):
            stack.callback(streams.stop)
            await streams.start(_place(root, streams.name))
            running.fronts.append(Front(streams))
        if running.ours is not None and plan.extras:
            running.grown = [await _grown(root, rows, stack, say) for rows in plan.rows]
        yield running


async def _grown(root: Path, rows: int, stack: contextlib.ExitStack, say: Say) -> Hyperhive:
    say(f"making a database with {rows:,} delivered messages")
    hive = Hyperhive()
    stack.callback(hive.stop)
    place = _place(root, f"{rows} rows")
    await asyncio.to_thread(growth.build, place, rows)
    await hive.start(place, lanes=1)
    return hive


def _place(root: Path, name: str) -> Path:
    place = root / name.replace(" ", "-")
    place.mkdir()
    return place


def _present(systems: Sequence[S], plan: Plan, book: Book) -> list[S]:
    """Return the requested systems that can be run; record why the others cannot."""
    wanted = [each for each in systems if not plan.systems or each.name in plan.systems]
    book.skipped.update({each.name: each.missing for each in wanted if each.missing is not None})
    return [each for each in wanted if each.missing is None]


async def _round(plan: Plan, root: Path, running: Running, number: int, say: Say) -> Round:
    """Measure everything once; each round begins with another system."""
    append = disk.fdatasync_append(root, plan.samples)
    one = Round(Disk(append, disk.fdatasync_overwrite(root, plan.samples)))
    for workload in plan.workloads:
        say(f"  {workload.name}")
        for server in _rotated(running.driven(workload), number):
            one.keep(workload, server.name, await run(server, workload, plan.timing))
        if workload in {ONE_SENDER, SENDERS}:
            for library in _rotated(running.libraries, number):
                one.keep(workload, library.name, await _run_library(library, plan, root))
    if running.ours is not None:
        if plan.extras:
            say("  isolation, growth, memory")
            await _extras(one, plan, root, running.ours, running.grown)
        if plan.endures and number == 0:
            say(f"  memory after {plan.long[1]:,} messages")
            async with _fresh(root, PAIRS_128.lanes) as hive:
                one.endurance = await memory.endure(hive, *plan.long)
    return one


async def _extras(
    one: Round, plan: Plan, root: Path, ours: Hyperhive, grown: Sequence[Hyperhive]
) -> None:
    one.isolation = await isolation.measure(ours, plan.samples)
    few, many = grown
    one.growth = await asyncio.to_thread(growth.measure, few, many, plan.samples)
    if plan.parked:
        async with _fresh(root, memory.INBOXES) as hive:
            one.parked = await memory.parked(hive, plan.parked)


@contextlib.asynccontextmanager
async def _fresh(root: Path, lanes: int) -> AsyncIterator[Hyperhive]:
    """Run a fresh daemon of ours."""
    hive = Hyperhive()
    with tempfile.TemporaryDirectory(dir=root) as place, contextlib.ExitStack() as stack:
        stack.callback(hive.stop)
        await hive.start(Path(place), lanes)
        yield hive


async def _run_library(library: Embedded, plan: Plan, root: Path) -> Result:
    with tempfile.TemporaryDirectory(dir=root) as place:
        return await asyncio.to_thread(run_embedded, library, Path(place), plan.timing)


def _rotated(systems: Sequence[T], by: int) -> list[T]:
    start = by % len(systems) if systems else 0
    return list(systems[start:]) + list(systems[:start])
