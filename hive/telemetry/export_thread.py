"""The thread of the exporters: a collector that hangs holds up nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from attrs import define, field

T = TypeVar("T")

Job = Callable[[], object]


@define(eq=False)
class ExportThread:
    """Runs jobs in order, on a thread that begins with the first one.

    It is a daemon thread, and nobody joins it: a program ends although a job hangs. The threads of
    `asyncio.to_thread` are not, and `asyncio.run` waits for them.
    """

    _queue: SimpleQueue[Job | None] = field(factory=SimpleQueue, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Run a job; the future has its value or its exception."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                value = job()
            except Exception as error:
                _report(loop, _set_exception, future, error)
            else:
                _report(loop, _set_result, future, value)

        if self._thread is None:
            self._thread = Thread(target=self._work, name="telemetry", daemon=True)
            self._thread.start()
        self._queue.put(work)
        return future

    def close(self, last: Job) -> None:
        """Run a last job after those that wait, and end; returns at once."""
        if self._thread is not None:
            self._queue.put(last)
            self._queue.put(None)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            job()


def _report(loop: asyncio.AbstractEventLoop, report: Callable[..., None], *values: object) -> None:
    try:
        loop.call_soon_threadsafe(report, *values)
    except RuntimeError:  # the loop is closed
        return


def _set_result(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _set_exception(future: asyncio.Future[T], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
