"""State that the container runtime keeps of each agent's container, and of its present run."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attrs import define, field

from hive.exits import Ended
from hive.machines.runtime import Running, Watcher
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
    """

    name: str
    machine: str
    unit: str
    changed: asyncio.Event = field(factory=asyncio.Event)
    run: ContainerRun | None = None
    watching: asyncio.Task[None] | None = None

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until its state may have changed, at most `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        self.changed.clear()
