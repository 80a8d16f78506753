"""A harness as a whole: announce it, run its workers, and end them in good order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from random import Random

from attrs import define

from hive.client.api import AgentClient, Role
from hive.harness.answering import Answerer
from hive.harness.desk import Desk
from hive.harness.drivers import Driver
from hive.harness.patience import until_reachable
from hive.harness.turns import Worker

logger = logging.getLogger(__name__)


@define(eq=False)
class Harness:
    """Serves one participant until it is cancelled.

    Attributes:
        driver: Does the work; None receives nothing and leaves all mail in the inbox.
        driver_name: What the daemon is told of it.
        state: Directory for what must last.
        drain: Seconds in which messages in work may end once a stop is asked for.
        concurrency: Messages that are worked on at once.
        answers: Whether what the driver answers is sent.
        to_replies: Whether messages that are answers themselves are answered.
    """

    client: AgentClient
    driver: Driver | None
    driver_name: str
    state: Path
    drain: float
    random: Random
    concurrency: int = 1
    answers: bool = True
    to_replies: bool = False

    async def run(self) -> None:
        """Serve for ever.

        Cancel it to stop: it receives nothing more, messages in work may end within the drain
        time, what is then left is given back. Cancelling again ends the drain time.

        Raises:
            HiveError: When the daemon refuses this harness.
        """
        await until_reachable(lambda: self.client.hello(Role.HARNESS, self.driver_name))
        me = (await until_reachable(self.client.whoami)).name
        logger.info("serving %s with the driver %s", me, self.driver_name)
        if self.driver is None:
            await asyncio.Event().wait()
        else:
            await self._work(self._workers(me, self.driver))

    def _workers(self, me: str, driver: Driver) -> list[Worker]:
        desk = Desk()
        answerer = Answerer(
            self.client,
            me,
            self.state,
            self.random,
            answers=self.answers,
            to_replies=self.to_replies,
        )
        return [
            Worker(self.client, driver, answerer, desk, self.random)
            for _ in range(self.concurrency)
        ]

    async def _work(self, workers: Sequence[Worker]) -> None:
        """Run the workers; when cancelled, let those that are busy finish within the drain time."""
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            await self._drain(workers, tasks)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in ended:
            task.result()

    async def _drain(self, workers: Sequence[Worker], tasks: Sequence[asyncio.Task[None]]) -> None:
        for worker, task in zip(workers, tasks, strict=True):
            worker.stopping = True
            if not worker.busy:
                task.cancel()
        _, left = await asyncio.wait(tasks, timeout=self.drain)
        if left:
            logger.warning("%d messages are not done in time and go back", len(left))
