"""Telemetry: reads metrics at an interval, gathers turns, and has both exported on a thread.

Nothing here waits for the collector but two tasks of its own. Meanwhile readings are skipped, and
turns are gathered up to a limit; what is over it is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from attrs import define, field

from hive.clock import Clock
from hive.metrics.export_counts import DROPPED, FAILED, METRICS, SENT, TRACES, ExportCounts
from hive.store import Message, Store
from hive.store.messages import by_id
from hive.store.usage import StoredTurn
from hive.telemetry.export_thread import ExportThread
from hive.wire.metric_rows import FamilyRow

logger = logging.getLogger(__name__)

MOST_TURNS = 1000
"""Finished turns that wait for their export."""

BATCH = 100
"""Turns of one export."""

TURN_SECONDS = 5.0
"""Seconds for which finished turns are gathered before they are exported."""

Turns = Sequence[tuple[str, StoredTurn]]


class Exporters(Protocol):
    """Sends what is exported; all methods run on the export thread and may block."""

    def export_metrics(self, families: Sequence[FamilyRow], since: float, now: float) -> bool:
        """Send a reading; return whether the collector has taken it."""
        ...

    def export_turns(self, turns: Turns, messages: Mapping[int, Message]) -> bool:
        """Send the spans of turns; return whether the collector has taken them."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


@define(eq=False)
class Telemetry:
    """Exports metrics and turns while it is open.

    Attributes:
        endpoint: The collector, for the log.
        interval: Seconds between two readings.
        make: Makes the exporters, on the export thread.
        read: Reads the metrics.
        store: Has the messages of turns.
        clock: Wall time.
        counts: Counts of exports.
    """

    endpoint: str
    interval: float
    make: Callable[[], Exporters]
    read: Callable[[], Awaitable[Sequence[FamilyRow]]]
    store: Store
    clock: Clock
    counts: ExportCounts
    _thread: ExportThread = field(factory=ExportThread, init=False)
    _exporters: Exporters | None = field(default=None, init=False)
    _turns: list[tuple[str, StoredTurn]] = field(factory=list, init=False)
    _failing: set[str] = field(factory=set, init=False)
    _tasks: list[asyncio.Task[None]] = field(factory=list, init=False)
    _since: float = field(default=0.0, init=False)

    def open(self) -> None:
        """Begin to export."""
        self._since = self.clock.now()
        self._tasks = [
            asyncio.create_task(self._export_metrics(), name="telemetry: metrics"),
            asyncio.create_task(self._export_turns(), name="telemetry: turns"),
        ]

    async def close(self) -> None:
        """Stop; what is not exported yet is lost, and an export that hangs is not waited for."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            self._thread.close(self._close_exporters)

    def add_turn(self, name: str, record: StoredTurn) -> None:
        """Add a finished turn of a participant to those that wait; above the limit, drop it."""
        if len(self._turns) >= MOST_TURNS:
            self.counts.add(TRACES, DROPPED)
        else:
            self._turns.append((name, record))

    async def _export_metrics(self) -> None:
        while True:
            await self._attempt(METRICS, 1, self._send_metrics())
            await asyncio.sleep(self.interval)

    async def _send_metrics(self) -> bool:
        families = await self.read()
        since, now = self._since, self.clock.now()
        return await self._thread.run(lambda: self._ready().export_metrics(families, since, now))

    async def _export_turns(self) -> None:
        while True:
            await asyncio.sleep(TURN_SECONDS)
            while self._turns:
                turns, self._turns = self._turns[:BATCH], self._turns[BATCH:]
                await self._attempt(TRACES, len(turns), self._send_turns(turns))

    async def _send_turns(self, turns: Turns) -> bool:
        ids = dict.fromkeys(number for _, record in turns for number in record.messages)
        messages = await self.store.read(by_id(tuple(ids)))
        return await self._thread.run(lambda: self._ready().export_turns(turns, messages))

    async def _attempt(self, signal: str, count: int, sending: Awaitable[bool]) -> None:
        """Wait for an export and count its outcome; the first failure in a row is logged."""
        try:
            is_sent = await sending
            why = "the collector has not taken them"
        except Exception as error:
            is_sent, why = False, f"{type(error).__name__}: {error}"
        self.counts.add(signal, SENT if is_sent else FAILED, count)
        if not is_sent and signal not in self._failing:
            self._failing.add(signal)
            logger.warning("%s cannot be exported to %s: %s", signal, self.endpoint, why)
        elif is_sent and signal in self._failing:
            self._failing.remove(signal)
            logger.warning("%s are exported to %s again", signal, self.endpoint)

    def _ready(self) -> Exporters:
        """Return the exporters; they are made by the first export, on the thread."""
        if self._exporters is None:
            self._exporters = self.make()
        return self._exporters

    def _close_exporters(self) -> None:
        if self._exporters is not None:
            self._exporters.close()
