"""State that the container runtime keeps of each agent's container, and of its present run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from attrs import define, field

from hive.errors import UnavailableError
from hive.exits import Ended
from hive.machines.runtime import AbortedError, Running, Watcher
from hive.machines.systemd.journal import JournalFilter


@define(eq=False)
class ContainerRun:
    """One run of a container, from its start or adoption to its end.

    Attributes:
        running: Description of the run.
        journal_filter: Selects its lines in the journal.
        watcher: Called with its end.
        ended: Set to its end.
        killing: Set when it is to be killed without further requests.
        stopping: The task that stops it, once a stop was requested.
    """

    running: Running
    journal_filter: JournalFilter
    watcher: Watcher
    ended: asyncio.Future[Ended]
    killing: asyncio.Event = field(factory=asyncio.Event)
    stopping: asyncio.Task[None] | None = None

    def report_end(self, ended: Ended) -> None:
        """Report its end, once, to the watcher and to all waiters."""
        if not self.ended.done():
            self.ended.set_result(ended)
            self.watcher(ended)

    def abandon(self) -> None:
        """Fail whoever waits for its end: it is not watched any more."""
        if not self.ended.done():
            self.ended.set_exception(
                UnavailableError("the container was left to others before it had ended")
            )
            self.ended.exception()  # there may be no waiter


@define(eq=False)
class Container:
    """The container of one agent.

    Attributes:
        name: Name of the agent.
        machine: Name of the container in machined.
        unit: Name of its service.
        changed: Set when its state may have changed.
        run: The run that is watched; None while it is down.
        watching: The task that watches the run.
        coming_up: The task that brings it up; None while none does.
        kills: Number of requests that end it at once and are under way: nothing brings it up.
    """

    name: str
    machine: str
    unit: str
    changed: asyncio.Event = field(factory=asyncio.Event)
    run: ContainerRun | None = None
    watching: asyncio.Task[None] | None = None
    coming_up: asyncio.Task[Any] | None = None
    kills: int = 0

    @asynccontextmanager
    async def bringing_up(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        """Hold the lock of an operation that may bring it up, until `overtaking` aborts that.

        Raises:
            AbortedError: It was aborted.
        """
        async with lock:
            self._check_not_killed()
            self.coming_up = asyncio.current_task()
            try:
                yield
            except asyncio.CancelledError:
                if self.kills:
                    self.coming_up.uncancel()  # type: ignore[union-attr] # it runs this
                self._check_not_killed()
                raise
            finally:
                self.coming_up = None

    @contextmanager
    def overtaking(self) -> Iterator[bool]:
        """Abort what brings it up, and let nothing begin to; yield whether there was something."""
        task, self.kills = self.coming_up, self.kills + 1
        if task is not None:
            task.cancel()
        try:
            yield task is not None
        finally:
            self.kills -= 1

    def _check_not_killed(self) -> None:
        if self.kills:
            raise AbortedError(f"the start of {self.name} was ended by a request to kill it")

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until its state may have changed, at most `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        self.changed.clear()
