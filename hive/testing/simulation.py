"""A hive in simulated time."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from random import Random
from typing import Any, TypeVar, TypeVarTuple, Unpack

from actors.testing import SimulationLoop
from hive.clock import LoopClock
from hive.config import HiveConfig
from hive.daemon.hive import Agent, Hive
from hive.errors import TimedOutError
from hive.store import InlineEngine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DAY = 86_400.0
"""Seconds of a day."""

MEMORY = Path("/dev/shm")  # noqa: S108 - the name is made by `tempfile`
"""Where files live in memory: a simulation loses no power, so it need not wait for a disk."""


class ThreadlessLoop(SimulationLoop):
    """A simulation loop without threads: their work is done on the loop's own thread.

    Threads end in an order that no seed repeats, and a hive that starts has many of them: each
    socket is bound in one. Time stands still meanwhile, so it does no harm that they block. Only
    work that waits for the loop itself would wait for ever.
    """

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call `func` now; its outcome is there in the loop's next turn, as that of a thread is."""
        outcome: asyncio.Future[T] = self.create_future()
        try:
            value = func(*args)
        except Exception as error:
            self.call_soon(_settle, outcome, outcome.set_exception, error)
        else:
            self.call_soon(_settle, outcome, outcome.set_result, value)
        return outcome


def simulate(
    scenario: Callable[[Hive], Awaitable[T]],
    *,
    agents: Mapping[str, Agent] | None = None,
    peers: Iterable[str] = (),
    config: HiveConfig | None = None,
    seed: int = 0,
    state_dir: Path | str | None = None,
    within: float = 7 * DAY,
) -> T:
    """Run `await scenario(hive)` in a hive of its own, in simulated time; return its result.

    It is the real hive: its actors, its broker, its SQLite file, its sockets. Only time is not:
    the clock moves on at once when nothing is left to do at the present moment. What may happen at
    the same moment happens in an order drawn from the seed, so the same seed repeats the same
    history, and other seeds find what depends on luck. It needs no async pytest plugin.

    Args:
        scenario: What happens; `advance` lets time pass in it.
        agents: Agents as async functions, by name. Programs cannot be simulated.
        peers: Names of peers; `Hive.client` speaks for them.
        config: Limits and restart policy; no agents.
        seed: Where interleavings, jitter and ids come from.
        state_dir: Where the hive's files are; without one, they live in memory. Given the same one
            again, the hive goes on where it was, but the clock starts anew.
        within: Simulated seconds after which the scenario has failed.

    Raises:
        TimedOutError: The scenario did not end in time; if it waits for what nobody will ever do,
            that shows at once.
    """

    async def run() -> T:
        with _directory(state_dir) as directory:
            async with Hive(
                directory,
                agents=agents or {},
                peers=peers,
                config=config,
                clock=LoopClock(asyncio.get_running_loop()),
                random=Random(seed),  # noqa: S311 - to be repeated, not to be secret
                engine=InlineEngine(),
                environ={},
            ) as hive:
                return await _limited(scenario(hive), within)

    with asyncio.Runner(loop_factory=lambda: ThreadlessLoop(seed)) as runner:
        return runner.run(run())


def _directory(given: Path | str | None) -> AbstractContextManager[Path | str]:
    if given is not None:
        return nullcontext(given)
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="hive-", dir=memory)


async def _limited(awaited: Awaitable[T], seconds: float) -> T:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await awaited
    except TimeoutError:
        if not limit.expired():
            raise  # it is the scenario's own
        raise TimedOutError(
            f"the scenario did not end within {seconds:g} s of simulated time: it waits for what "
            "does not happen, or it needs a longer `within`"
        ) from None


def _settle(outcome: asyncio.Future[Any], settle: Callable[[Any], None], value: object) -> None:
    if not outcome.cancelled():
        settle(value)
