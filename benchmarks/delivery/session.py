"""A whole benchmark: start everything, go round by round, end everything."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from attrs import define, field, frozen

from benchmarks.delivery import disk, growth, isolation
from benchmarks.delivery.book import Book, Disk, Growth, Round
from benchmarks.delivery.measuring import SENDERS, WORKLOADS, ONE_SENDER, Timing, run, run_embedded
from benchmarks.delivery.systems import OURS, brokers, embedded
from benchmarks.delivery.systems.base import Broker, Embedded
from benchmarks.delivery.systems.hyperhive import Hyperhive

S = TypeVar("S", Broker, Embedded)

Say = Callable[[str], None]
"""Tells the person who waits what is going on."""


@frozen
class Plan:
    """How much is measured.

    Attributes:
        rounds: How often everything is repeated.
        timing: Of one run.
        rows: Delivered messages in the small and in the large database.
        samples: Single operations that are timed for the disk, for isolation and for growth.
        systems: Names of the systems; empty means all.
        most_lanes: Workloads with more lanes are left out.
    """

    rounds: int = 5
    timing: Timing = Timing(warm_up=0.5, measured=2.0)
    rows: tuple[int, int] = (100_000, 1_000_000)
    samples: int = 500
    systems: frozenset[str] = frozenset()
    most_lanes: int = 128


QUICK = Plan(
    rounds=1,
    timing=Timing(warm_up=0.05, measured=0.2),
    rows=(100, 1000),
    samples=20,
    most_lanes=64,
)
"""Too little to tell anything but that it all works."""


@define
class Running:
    """The systems that take part."""

    servers: list[Broker] = field(factory=list)
    libraries: list[Embedded] = field(factory=list)
    few: Hyperhive | None = None
    many: Hyperhive | None = None

    @property
    def ours(self) -> Hyperhive | None:
        """Our own daemon, if it takes part."""
        return next((each for each in self.servers if isinstance(each, Hyperhive)), None)


async def measure(plan: Plan, directory: Path | None, say: Say) -> Book:
    """Run a whole benchmark in a temporary directory within `directory`."""
    book = Book(plan.rows)
    with tempfile.TemporaryDirectory(prefix="hb-", dir=directory) as root:
        async with _running(plan, Path(root), book, say) as running:
            for number in range(plan.rounds):
                say(f"round {number + 1} of {plan.rounds}")
                book.rounds.append(await _round(plan, Path(root), running, number, say))
    return book


@contextlib.asynccontextmanager
async def _running(plan: Plan, root: Path, book: Book, say: Say) -> AsyncIterator[Running]:
    running = Running(libraries=_present(embedded(), plan, book))
    with contextlib.ExitStack() as stack:
        for server in _present(brokers(), plan, book):
            say(f"starting {server.name}")
            place = root / server.name.replace(" ", "-")
            place.mkdir()
            stack.callback(server.stop)
            await server.start(place, min(plan.most_lanes, 128))
            running.servers.append(server)
        if running.ours is not None:
            running.few, running.many = [
                await _grown(root, rows, stack, say) for rows in plan.rows
            ]
        yield running


async def _grown(root: Path, rows: int, stack: contextlib.ExitStack, say: Say) -> Hyperhive:
    say(f"making a database with {rows:,} delivered messages")
    hive = await growth.start(root / f"rows-{rows}", rows)
    stack.callback(hive.stop)
    return hive


def _present(systems: Sequence[S], plan: Plan, book: Book) -> list[S]:
    """Return those that were asked for and can be run; note why the others cannot."""
    wanted = [each for each in systems if not plan.systems or each.name in plan.systems]
    book.skipped.update({each.name: each.missing for each in wanted if each.missing is not None})
    return [each for each in wanted if each.missing is None]


async def _round(plan: Plan, root: Path, running: Running, number: int, say: Say) -> Round:
    one = Round(
        Disk(disk.fdatasync_append(root, plan.samples), disk.fdatasync_overwrite(root, plan.samples))
    )
    for workload in WORKLOADS:
        if workload.lanes > plan.most_lanes:
            continue
        say(f"  {workload.name}")
        for server in _rotated(running.servers, number):
            one.keep(workload, server.name, await run(server, workload, plan.timing))
    say("  libraries, isolation, growth")
    for library in _rotated(running.libraries, number):
        with tempfile.TemporaryDirectory(dir=root) as place:
            result = await asyncio.to_thread(run_embedded, library, Path(place), plan.timing)
        one.keep(ONE_SENDER, library.name, result)
        one.keep(SENDERS, library.name, result)
    if running.ours is not None:
        one.isolation = await isolation.measure(running.ours, plan.samples)
    if running.few is not None and running.many is not None:
        few = await asyncio.to_thread(growth.measure, running.few, plan.samples)
        many = await asyncio.to_thread(growth.measure, running.many, plan.samples)
        one.growth = Growth(few, many)
    return one


def _rotated(systems: Sequence[S], by: int) -> list[S]:
    """Let each round begin with another system."""
    start = by % len(systems) if systems else 0
    return [*systems[start:], *systems[:start]]


__all__ = ["OURS", "QUICK", "Plan", "measure"]
