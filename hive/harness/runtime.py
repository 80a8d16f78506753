"""A harness as a whole: announce it, run its workers, and end them in good order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, frozen

from hive.client.api import Identity, ManagerClient, Role
from hive.clock import Clock, SystemClock
from hive.harness.desk import LAST_REQUEST, Desk
from hive.harness.drivers import Driver
from hive.harness.gate import Gate
from hive.harness.orders import follow
from hive.harness.patience import until_reachable
from hive.harness.replies import Answerer
from hive.harness.reporting import Reporter
from hive.harness.turn_drivers import Surroundings, TurnDriver
from hive.harness.turn_worker import TurnWorker
from hive.harness.turns import Worker
from hive.wire.harness import Order

logger = logging.getLogger(__name__)


@define(eq=False)
class Harness:
    """Serves one participant until it is cancelled.

    Attributes:
        driver: Does the work; None receives nothing and leaves all mail in the inbox.
        driver_name: What the daemon is told of it.
        state: Directory for what must last.
        drain: Seconds in which messages in work may end once a stop is asked for.
        concurrency: Messages that are worked on at once; a conversation has one turn at a time.
        answers: Whether what the driver answers is sent.
        to_replies: Whether messages that are answers themselves are answered.
        clock: Wall time.
    """

    client: ManagerClient
    driver: Driver | TurnDriver | None
    driver_name: str
    state: Path
    drain: float
    random: Random
    concurrency: int = 1
    answers: bool = True
    to_replies: bool = False
    clock: Clock = field(factory=SystemClock)

    async def run(self) -> None:
        """Serve for ever.

        Cancel it to stop: it receives nothing more, messages in work may end within the drain
        time, what is then left is given back. Cancelling again ends the drain time.

        Raises:
            HiveError: When the daemon refuses this harness.
        """
        await until_reachable(lambda: self.client.hello(Role.HARNESS, self.driver_name))
        me = await until_reachable(self.client.whoami)
        logger.info("serving %s with the driver %s", me.name, self.driver_name)
        if self.driver is None:
            await asyncio.Event().wait()
            return
        reporter = Reporter(self.client, self.clock)
        async with _opened(self.driver, Surroundings(self.client, me, reporter)):
            await self._serve(me, self.driver, reporter)

    async def _serve(self, me: Identity, driver: Driver | TurnDriver, reporter: Reporter) -> None:
        gate = Gate(self.clock)
        ordered = asyncio.Event()
        team = Team(self._workers(me, driver, gate, reporter, ordered))
        try:
            await reporter.flush()
            orders = follow(self.client, gate, team, ordered)
            await self._work(team.workers, reporter.run(), orders)
        finally:
            await _last_words(reporter)

    def _workers(
        self,
        me: Identity,
        driver: Driver | TurnDriver,
        gate: Gate,
        reporter: Reporter,
        ordered: asyncio.Event,
    ) -> Sequence[Worker | TurnWorker]:
        desk = Desk()
        if isinstance(driver, TurnDriver):
            surroundings = Surroundings(self.client, me, reporter)
            return [TurnWorker(surroundings, driver, desk, gate, self.clock, self.random, ordered)]
        answerer = Answerer(
            self.client,
            me.name,
            self.state,
            self.random,
            answers=self.answers,
            to_replies=self.to_replies,
        )
        return [
            Worker(self.client, driver, answerer, desk, self.random, gate, reporter)
            for _ in range(self.concurrency)
        ]

    async def _work(
        self, workers: Sequence[Worker | TurnWorker], *beside: Coroutine[Any, Any, None]
    ) -> None:
        """Run the workers; when cancelled, let those that are busy finish within the drain time."""
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        others = [asyncio.create_task(each) for each in beside]
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

    async def _drain(
        self, workers: Sequence[Worker | TurnWorker], tasks: Sequence[asyncio.Task[None]]
    ) -> None:
        for worker, task in zip(workers, tasks, strict=True):
            worker.stopping = True
            if not worker.busy:
                task.cancel()
        _, left = await asyncio.wait(tasks, timeout=self.drain)
        if left:
            logger.warning("the work of %d workers is not done in time and goes back", len(left))


@frozen
class Team:
    """The workers of one harness, which obey together."""

    workers: Sequence[Worker | TurnWorker]

    def cancel(self, reason: str) -> None:
        """Interrupt what is worked on."""
        for worker in self.workers:
            worker.cancel(reason)

    def begin_anew(self) -> None:
        """Begin the next turn without what was said before."""
        for worker in self.workers:
            if isinstance(worker, TurnWorker):
                worker.driver.begin_anew()

    def restarted(self, order: Order) -> None:
        """Take note that the agent was restarted."""
        for worker in self.workers:
            if isinstance(worker, TurnWorker):
                worker.driver.restarted(order)


@asynccontextmanager
async def _opened(driver: Driver | TurnDriver, surroundings: Surroundings) -> AsyncIterator[None]:
    """Have a driver that holds a conversation begin, and end."""
    if not isinstance(driver, TurnDriver):
        yield
        return
    await driver.open(surroundings)
    try:
        yield
    finally:
        await driver.close()


async def _last_words(reporter: Reporter) -> None:
    """Tell what is not told yet, if the daemon is there."""
    try:
        async with asyncio.timeout(LAST_REQUEST):
            await reporter.flush()
    except TimeoutError:
        logger.info("the daemon is away and does not hear of the last turn")
