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
from hive.daemon.hive import AgentCoroutine, Hive
from hive.errors import TimedOutError
from hive.store import InlineEngine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DAY = 86_400.0
"""A day in seconds."""

MEMORY = Path("/dev/shm")  # noqa: S108 - the name is made by `tempfile`
"""A directory in memory: a simulation loses no power, so it need not wait for a disk."""


class ThreadlessLoop(SimulationLoop):
    """A simulation loop that does the work of threads on its own thread.

    Threads end in an order that no seed repeats, and the start of a hive has many of them: each
    socket is bound in one. They may block, since the virtual clock does not advance meanwhile. Only
    work that waits for the loop itself would wait for ever.
    """

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call `func` now; its result is set in the loop's next turn, as that of a thread is."""
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
    agents: Mapping[str, AgentCoroutine] | None = None,
    peers: Iterable[str] = (),
    config: HiveConfig | None = None,
    seed: int = 0,
    state_dir: Path | str | None = None,
    within: float = 7 * DAY,
) -> T:
    """Run `await scenario(hive)` in a new hive, in simulated time; return its result.

    Actors, broker, SQLite file and sockets are real; only the clock is virtual: it advances as soon
    as nothing is left to do at the present moment. The seed decides the order of everything that
    may happen at the same moment: the same seed repeats the same history, and other seeds find
    faults that depend on the order. It needs no async pytest plugin.

    Args:
        scenario: The scenario; `advance` lets time pass in it.
        agents: Agents as async functions, by name. Programs cannot be simulated.
        peers: Names of peers; `Hive.client` speaks for them.
        config: Limits and restart policy; no agents.
        seed: Seed of interleavings, jitter and ids.
        state_dir: Directory of the hive's files; by default in memory. With the directory of an
            earlier simulation, the hive continues its state, but the clock starts at zero.
        within: Simulated seconds after which the scenario has failed.

    Raises:
        TimedOutError: The scenario did not end in time, or waits although nothing is left to do.
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
                read_pressures=dict,
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
            raise  # the error is the scenario's own
        raise TimedOutError(
            f"the scenario did not end within {seconds:g} s of simulated time: it waits for what "
            "does not happen, or it needs a longer `within`"
        ) from None


def _settle(outcome: asyncio.Future[Any], settle: Callable[[Any], None], value: object) -> None:
    if not outcome.cancelled():
        settle(value)
