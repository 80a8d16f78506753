"""The lifecycle of a harness: say hello, run the workers, stop them within the drain time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, frozen

from hive.client.agent import Identity, ManagerClient, Role, until_taken
from hive.clock import Clock, SystemClock
from hive.harness.control import follow
from hive.harness.driver import MessageDriver, Surroundings, TurnDriver
from hive.harness.leases import LAST_REQUEST, Leases
from hive.harness.message_turns import MessageTurns
from hive.harness.pause import Pause
from hive.harness.replies import ReplySender
from hive.harness.reporting import Reporter
from hive.harness.worker import Worker
from hive.quantities import counted
from hive.wire.harness import Order

logger = logging.getLogger(__name__)


@define(eq=False)
class HarnessRuntime:
    """Serves one participant until it is cancelled.

    Attributes:
        driver: Processes the messages; None receives none, and they stay in the inbox.
        driver_name: Name of the driver, for the daemon.
        state: State directory.
        drain: Seconds in which current turns may finish after a stop is requested.
        concurrency: Messages that are processed at once; a `TurnDriver` has one turn at a time.
        answers: Whether the driver's answers are sent as replies.
        to_replies: Whether messages that are replies themselves are replied to.
        clock: Wall time.
    """

    client: ManagerClient
    driver: MessageDriver | TurnDriver | None
    driver_name: str
    state: Path
    drain: float
    random: Random
    concurrency: int = 1
    answers: bool = True
    to_replies: bool = False
    clock: Clock = field(factory=SystemClock)

    async def run(self) -> None:
        """Serve until cancelled.

        When cancelled, it receives no more messages; current turns may finish within the drain
        time, all other messages return to the inbox. A second cancellation ends the drain time.

        Raises:
            HiveError: The daemon refuses this harness.
        """
        await until_taken(lambda: self.client.hello(Role.HARNESS, self.driver_name))
        me = await until_taken(self.client.whoami)
        logger.info("serving %s with the driver %s", me.name, self.driver_name)
        if self.driver is None:
            await asyncio.Event().wait()
            return
        surroundings = Surroundings(self.client, me, Reporter(self.client, self.clock))
        drivers = self._drivers(me, self.driver)
        async with _opened(drivers, surroundings):
            await self._serve(surroundings, drivers)

    def _drivers(self, me: Identity, driver: MessageDriver | TurnDriver) -> Sequence[TurnDriver]:
        """Return a turn driver for each worker."""
        if isinstance(driver, TurnDriver):
            return [driver]
        replies = ReplySender(
            self.client,
            me.name,
            self.state,
            self.random,
            enabled=self.answers,
            to_replies=self.to_replies,
        )
        return [MessageTurns(driver, replies) for _ in range(self.concurrency)]

    async def _serve(self, surroundings: Surroundings, drivers: Sequence[TurnDriver]) -> None:
        reporter, leases = surroundings.reporter, Leases(self.client)
        pause, known = Pause(self.clock), asyncio.Event()
        group = WorkerGroup(
            [
                Worker(surroundings, driver, leases, pause, self.clock, self.random, known)
                for driver in drivers
            ]
        )
        try:
            await reporter.flush()
            control = follow(self.client, pause, group, known)
            await self._work(group.workers, reporter.run(), leases.beat(), control)
        finally:
            await leases.close("the agent was stopped")
            await _flush_last_reports(reporter)

    async def _work(
        self, workers: Sequence[Worker], *background: Coroutine[Any, Any, None]
    ) -> None:
        """Run workers and background tasks; when cancelled, drain the busy workers."""
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        others = [asyncio.create_task(each) for each in background]
        try:
            ended, _ = await asyncio.wait([*tasks, *others], return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            await self._drain(workers, tasks)
            raise
        finally:
            for task in (*tasks, *others):
                task.cancel()
            await asyncio.wait([*tasks, *others])
        for task in ended:
            task.result()

    async def _drain(self, workers: Sequence[Worker], tasks: Sequence[asyncio.Task[None]]) -> None:
        for worker, task in zip(workers, tasks, strict=True):
            worker.stopping = True
            if not worker.busy:
                task.cancel()
        _, left = await asyncio.wait(tasks, timeout=self.drain)
        if left:
            logger.warning(
                "not finished within the drain time, so its messages go back: %s",
                counted(len(left), "worker"),
            )


@frozen
class WorkerGroup:
    """The workers of one harness, as one receiver of control orders."""

    workers: Sequence[Worker]

    def cancel(self, reason: str) -> None:
        """Interrupt all turns."""
        for worker in self.workers:
            worker.cancel(reason)

    def new_session(self) -> None:
        """Start the next turn in a new conversation."""
        for worker in self.workers:
            worker.driver.new_session()

    async def choose_model(self, order: Order) -> None:
        """Pass the choice on to all drivers."""
        for worker in self.workers:
            await worker.driver.choose_model(order)

    def restarted(self, order: Order) -> None:
        """Pass the order on to all drivers."""
        for worker in self.workers:
            worker.driver.restarted(order)


@asynccontextmanager
async def _opened(drivers: Sequence[TurnDriver], surroundings: Surroundings) -> AsyncIterator[None]:
    """Open the drivers; close them at the end of the block."""
    for driver in drivers:
        await driver.open(surroundings)
    try:
        yield
    finally:
        for driver in drivers:
            await driver.close()


async def _flush_last_reports(reporter: Reporter) -> None:
    """Send the pending reports, if the daemon is reachable."""
    try:
        async with asyncio.timeout(LAST_REQUEST):
            await reporter.flush()
    except TimeoutError:
        logger.info("the daemon is not reachable; the last turn is not reported")
