"""The loop of a simulated hive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

from actors.testing import SimulationLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


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


def _settle(outcome: asyncio.Future[Any], settle: Callable[[Any], None], value: object) -> None:
    if not outcome.cancelled():
        settle(value)
