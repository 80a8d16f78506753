"""One worker: receive a message, have it worked on, answer, ack, and again."""

from __future__ import annotations

import asyncio
import logging
from random import Random

from attrs import define, field

from actors import Backoff
from hive.client.api import AgentClient, Delivery
from hive.errors import HiveError, StaleLeaseError
from hive.harness.desk import BEATS_PER_LEASE, LAST_REQUEST, Desk, Taken
from hive.harness.drivers import (
    Deferred,
    Done,
    Driver,
    Failed,
    Outcome,
    Rejected,
    SavedText,
)
from hive.harness.gate import Gate
from hive.harness.patience import until_reachable
from hive.harness.replies import ReplySender
from hive.harness.reporting import Reporter, wake_of
from hive.wire import WAIT_MAX
from hive.wire.enums import ActivityState, NackMode, TurnOutcome
from hive.wire.harness import TurnRecord

logger = logging.getLogger(__name__)

AFTER_FAILURE = Backoff(base=1.0, factor=2.0, cap=60.0, jitter=0.1)
"""Delays before a message that failed is delivered again, by its attempt."""

AFTER_DEFERRAL = 30.0
"""Seconds before a message that was put off is delivered again."""


@define(eq=False)
class Worker:
    """Works on one message at a time.

    Attributes:
        client: The participant's connection.
        driver: Does the work.
        answerer: Sends the answers.
        desk: Shared by all workers of one harness.
        random: Where jitter comes from.
        gate: Says whether a message may be taken.
        reporter: Told what is worked on.
        busy: Whether a message is in work.
        stopping: Set to end after the message in work.
    """

    client: AgentClient
    driver: Driver
    answerer: ReplySender
    desk: Desk
    random: Random
    gate: Gate
    reporter: Reporter
    busy: bool = field(default=False, init=False)
    stopping: bool = field(default=False, init=False)
    _handling: asyncio.Task[Outcome] | None = field(default=None, init=False)
    _cancelled: str = field(default="", init=False)

    async def run(self) -> None:
        """Work until `stopping` is set, or until cancelled: then the message is given back."""
        done: tuple[int, ...] = ()
        while not self.stopping:
            if self.gate.standing() is not None:
                await self._ack(done)
                done = ()
                await self.gate.passage(self.reporter)
                continue
            messages = await self.gate.while_open(self._receive(done))
            if messages is None:
                continue
            done = ()
            self.busy = True
            for message in messages:
                done += await self._take(message)
            self.busy = False
        await self._ack(done)

    def cancel(self, reason: str) -> None:
        """Stop the work on the message in work; it becomes a dead letter."""
        if self._handling is not None:
            self._cancelled = reason
            self._handling.cancel()

    async def _receive(self, done: tuple[int, ...]) -> tuple[Delivery, ...]:
        """Return the next message; what is done is acked by the same request."""
        try:
            messages = await until_reachable(
                lambda: self.client.recv(max=1, wait=WAIT_MAX, ack=done)
            )
        except StaleLeaseError as error:
            logger.info("%s; it will be delivered once more, and acked then", error)
            return ()
        self.desk.acked(done)
        return messages

    async def _take(self, message: Delivery) -> tuple[int, ...]:
        """Return the id if the message is to be acked now."""
        match self.desk.take(message):
            case Taken.NEW:
                return await self._turn(message)
            case Taken.DONE:
                return (message.id,)
            case Taken.IN_WORK:
                return ()

    async def _turn(self, message: Delivery) -> tuple[int, ...]:
        logger.info("message %d from %s: attempt %d", message.id, message.sender, message.attempt)
        started = self.reporter.begin((message,))
        try:
            outcome = await self._finish(message, await self._work(message))
        except asyncio.CancelledError:
            await self._put_back_in_time(message)
            raise
        self.reporter.turn(self._record(message, outcome, started))
        if isinstance(outcome, Done):
            self.desk.finish(message)
        else:
            await self._put_back(message, outcome, self._delay(message, outcome))
        if self.desk.idle:
            self.reporter.state(ActivityState.IDLE)
        return (message.id,) if isinstance(outcome, Done) else ()

    def _record(self, message: Delivery, outcome: Outcome, started: float) -> TurnRecord:
        word = TurnOutcome.CANCELLED if self._cancelled else _WORDS[type(outcome)]
        return TurnRecord(
            started,
            self.reporter.clock.now(),
            wake_of((message,)),
            word,
            messages=(message.id,),
            note=None if isinstance(outcome, Done) else outcome.reason,
        )

    async def _work(self, message: Delivery) -> Outcome:
        beating = asyncio.create_task(self._beat(message), name=f"heartbeats of {message.id}")
        self._cancelled = ""
        self._handling = asyncio.ensure_future(self.driver.handle(message))
        try:
            return await self._handling
        except asyncio.CancelledError:
            if reason := self._cancelled:
                return Rejected(reason)
            raise
        except Exception as error:
            logger.exception("message %d: the driver has a bug", message.id)
            return Failed(f"the driver raised {type(error).__name__}: {error}")
        finally:
            self._handling = None
            beating.cancel()

    async def _beat(self, message: Delivery) -> None:
        """Say that the message is in work, now and often enough that its lease does not end."""
        while True:
            pause = AFTER_DEFERRAL
            try:
                pause = await self.client.heartbeat([message.id]) / BEATS_PER_LEASE
            except HiveError as refusal:
                logger.info("message %d: no heartbeat: %s", message.id, refusal)
            await asyncio.sleep(pause)

    async def _finish(self, message: Delivery, outcome: Outcome) -> Outcome:
        """Send the answer; one that is refused makes the message a dead letter, for all to see."""
        if not isinstance(outcome, Done):
            return outcome
        try:
            await self.answerer.send(message, outcome.answer)
        except HiveError as refusal:
            where = await self._keep(message, outcome.answer)
            return Rejected(f"the work is done, but its answer was refused: {refusal}{where}")
        return outcome

    async def _keep(self, message: Delivery, answer: str | SavedText | None) -> str:
        if isinstance(answer, str):
            answer = await asyncio.to_thread(self.answerer.save, message, answer)
        return f"; the answer is in {answer.path}" if answer is not None else ""

    def _delay(self, message: Delivery, outcome: Outcome) -> float | None:
        match outcome:
            case Failed():
                return AFTER_FAILURE.delay(message.attempt - 1, self.random)
            case Deferred():
                return AFTER_DEFERRAL
            case _:
                return None

    async def _put_back(
        self, message: Delivery, outcome: Failed | Deferred | Rejected, delay: float | None
    ) -> None:
        """Give a message back; if that is refused, the hive has taken it back already."""
        logger.warning("message %d: %s", message.id, outcome.reason)
        mode = _MODES[type(outcome)]
        lease = self.desk.lease(message)
        self.desk.put_back(message)
        try:
            await self.client.nack(
                message.id, mode=mode, delay=delay, reason=outcome.reason, lease=lease
            )
        except HiveError as refusal:
            logger.info("message %d was not given back: %s", message.id, refusal)

    async def _put_back_in_time(self, message: Delivery) -> None:
        """Give a message back because the agent ends; if the daemon is away, our end does it."""
        try:
            async with asyncio.timeout(LAST_REQUEST):
                await self._put_back(message, Deferred("the agent was stopped"), None)
        except TimeoutError:
            logger.info("message %d goes back when the connection ends", message.id)

    async def _ack(self, done: tuple[int, ...]) -> None:
        if not done:
            return
        try:
            await self.client.ack(done)
        except HiveError as refusal:
            logger.info("messages %s were not acked: %s", done, refusal)
        else:
            self.desk.acked(done)


_WORDS = {
    Done: TurnOutcome.DONE,
    Failed: TurnOutcome.FAILED,
    Deferred: TurnOutcome.DEFERRED,
    Rejected: TurnOutcome.FAILED,
}

_MODES = {Failed: NackMode.FAIL, Deferred: NackMode.DEFER, Rejected: NackMode.REJECT}
