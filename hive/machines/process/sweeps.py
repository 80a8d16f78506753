"""Searches of the process table for what ended agents left behind, shared by many ends.

A search reads several files of each process of the machine. When all agents end, one search for
each would take longer than their ends: it grows with the square of their number. So one runs at a
time, for all ends that were reported before it began.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from hive.machines.process.procfs import Process
from hive.machines.process.spawn import ProcessHandle

logger = logging.getLogger(__name__)

REST = 2.0
"""Pause after a search while more ends are reported, as a multiple of its duration."""

Left = Sequence[Process] | None
"""What an agent left behind; None if the process table could not be searched."""

Search = Callable[[Sequence[ProcessHandle]], Sequence[Sequence[Process]]]
"""Returns what each of these agents left behind. Blocks, and may raise OSError."""


class Sweeps:
    """Runs one search at a time; all methods are for the loop's thread.

    Args:
        search: Searches the process table.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._waiting: list[tuple[ProcessHandle, asyncio.Future[Left]]] = []
        self._task: asyncio.Task[None] | None = None

    async def left_by(self, handle: ProcessHandle) -> Left:
        """Return what an ended agent left behind, by a search that begins after this call."""
        found: asyncio.Future[Left] = asyncio.get_running_loop().create_future()
        self._waiting.append((handle, found))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="process runtime: sweeps")
        return await found

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            began_at = loop.time()
            await self._serve(batch)
            await asyncio.sleep(REST * (loop.time() - began_at) if self._waiting else 0)
        self._task = None

    async def _serve(self, batch: list[tuple[ProcessHandle, asyncio.Future[Left]]]) -> None:
        left: Sequence[Left]
        try:
            left = await asyncio.to_thread(self._search, [handle for handle, _ in batch])
        except OSError:
            left = [None] * len(batch)
        except Exception:  # the end of an agent is reported only after this search
            logger.exception("the process table cannot be searched")
            left = [None] * len(batch)
        for (_, found), each in zip(batch, left, strict=True):
            if not found.done():
                found.set_result(each)
