"""What a container runtime remembers: a slot for each agent, and the run in it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attrs import define, field

from hive.exits import Ended
from hive.machines.runtime import Running, Watcher
from hive.machines.systemd.journal import Trace


@define(eq=False)
class Run:
    """One run of a container, from its start or adoption to its end.

    Attributes:
        running: What is told about it.
        trace: What its lines in the journal are found by.
        watcher: Hears its end.
        ended: Its end, for all who wait for it.
        killing: Set when it is to be killed without more asking.
        ending: The task that ends it, once it was asked to.
    """

    running: Running
    trace: Trace
    watcher: Watcher
    ended: asyncio.Future[Ended]
    killing: asyncio.Event = field(factory=asyncio.Event)
    ending: asyncio.Task[None] | None = None

    def tell(self, ended: Ended) -> None:
        """Tell its end, once, to the watcher and to all who wait."""
        if not self.ended.done():
            self.ended.set_result(ended)
            self.watcher(ended)


@define(eq=False)
class Slot:
    """The place of one agent's container.

    Attributes:
        name: The agent.
        container: Its machine.
        unit: The service that the machine is.
        hinted: Set when there is a reason to look at it.
        lock: Held while it is started, adopted or destroyed.
        run: The run that is watched, if it runs.
        watching: The task that looks at it.
    """

    name: str
    container: str
    unit: str
    hinted: asyncio.Event = field(factory=asyncio.Event)
    lock: asyncio.Lock = field(factory=asyncio.Lock)
    run: Run | None = None
    watching: asyncio.Task[None] | None = None

    async def hint(self, within: float) -> None:
        """Wait for a reason to look, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.hinted.wait()
        self.hinted.clear()
