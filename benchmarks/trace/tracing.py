"""Counting of one message alone, step by step, and of many together."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from attrs import define, frozen

from benchmarks.trace import peers
from benchmarks.trace.counting import CallCounter, Cost, median
from hive import Hive
from hive.config import HiveConfig
from hive.config.model import Limits

T = TypeVar("T")

SETTLE = 0.1
"""Seconds after which all effects of a step are done; acks are written after up to 20 ms."""

PATIENCE = 30.0
ROOT = Path(__file__).parents[2]
PLENTY = 1_000_000_000
CONFIG = HiveConfig(limits=Limits(rate=PLENTY, pair_rate=PLENTY))
"""No rate limit delays a message, since delays are not counted."""


@frozen
class Plan:
    """Number of counts of a single message, and of messages of all pairs."""

    times: int = 15
    messages: int = 3_000


@frozen
class Count:
    """Counts under one title, with our functions and their numbers of calls."""

    title: str
    cost: Cost
    called: list[tuple[str, int]]


async def trace(plan: Plan) -> list[Count]:
    """Run a hive on this loop and count the calls on it."""
    async with Hive(peers=[*peers.SENDERS, *peers.RECEIVERS], config=CONFIG) as hive:
        loop = asyncio.get_running_loop()
        # The thread waits for the other process, so that the wait does not run on the loop.
        return await asyncio.to_thread(_count_all, loop, hive.paths.run_dir, plan)


def _count_all(loop: asyncio.AbstractEventLoop, run_dir: Path, plan: Plan) -> list[Count]:
    with _peers(run_dir) as command:
        tracer = Tracer(loop, CallCounter(), command)
        return [
            tracer.single("send and delivery", plan.times, ["park"], ["send"]),
            tracer.single("send, delivery and ack", plan.times, ["park"], ["send", "park"]),
            tracer.many(f"a message at {peers.PAIRS} pairs", plan.messages),
        ]


@contextmanager
def _peers(run_dir: Path) -> Iterator[Callable[[str], int]]:
    """Start the other process; yield a function that has it carry out a command."""
    process = subprocess.Popen(
        [sys.executable, "-m", peers.__name__, str(run_dir)],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield partial(_carry_out, process.stdin, process.stdout)
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()


def _carry_out(stdin: IO[str], stdout: IO[str], command: str) -> int:
    stdin.write(f"{command}\n")
    stdin.flush()
    answer = stdout.readline()
    if not answer:
        raise RuntimeError(f"the peers ended during the command {command}")
    return int(answer)


@define(eq=False)
class Tracer:
    """Counts the calls that commands to the peers cause on the loop's thread.

    Attributes:
        loop: Loop of the hive, whose thread is counted.
        counter: Is started and stopped on that thread.
        command: Has the peers carry out a command, and returns its number.
    """

    loop: asyncio.AbstractEventLoop
    counter: CallCounter
    command: Callable[[str], int]

    def single(self, title: str, times: int, before: list[str], counted: list[str]) -> Count:
        """Return the median cost of some commands, without the first run, which fills caches."""
        costs = []
        for _ in range(times + 1):
            for each in before:
                self.command(each)
            cost, _ = self._counted(counted)
            costs.append(cost)
        return Count(title, median(costs[1:]), self.counter.called())

    def many(self, title: str, messages: int) -> Count:
        """Return the cost of each of many messages."""
        cost, done = self._counted([f"pairs {messages}"])
        return Count(title, cost.per(done), self.counter.called())

    def _counted(self, commands: list[str]) -> tuple[Cost, int]:
        time.sleep(SETTLE)
        self._on_loop(self.counter.start)
        done = [self.command(each) for each in commands]
        time.sleep(SETTLE)
        return self._on_loop(self.counter.stop), done[-1]

    def _on_loop(self, function: Callable[[], T]) -> T:
        result: Future[T] = Future()
        self.loop.call_soon_threadsafe(_call, function, result)
        return result.result(PATIENCE)


def _call(function: Callable[[], T], result: Future[T]) -> None:
    result.set_result(function())
