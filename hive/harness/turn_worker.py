"""The loop of a driver that holds a conversation: mail, a turn, acks, and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from attrs import define, field

from hive.client.api import Delivery
from hive.clock import Clock
from hive.errors import HiveError
from hive.harness.desk import LAST_REQUEST, Desk
from hive.harness.drivers import Deferred, Done, Failed, Outcome, Rejected
from hive.harness.gate import Gate, HoldOff
from hive.harness.orders import ACCOUNT
from hive.harness.patience import until_reachable
from hive.harness.reporting import wake_of
from hive.harness.turn import MOST, Turn
from hive.harness.turn_drivers import Surroundings, TurnDriver, TurnEnd
from hive.harness.turns import AFTER_DEFERRAL, AFTER_FAILURE
from hive.wire import WAIT_MAX
from hive.wire.enums import ActivityState, NackMode, TurnOutcome

logger = logging.getLogger(__name__)

OWN_TURNS = "turns"
"""Who shuts the gate because of how a turn ended."""

MODES = {Failed: NackMode.FAIL, Deferred: NackMode.DEFER, Rejected: NackMode.REJECT}


@define(eq=False)
class TurnWorker:
    """Has a driver work in turns, one after the other.

    Attributes:
        ordered: Set once it is known whether the agent is paused or limited.
        busy: Whether a turn is under way.
        stopping: Set to end after that turn.
    """

    surroundings: Surroundings
    driver: TurnDriver
    desk: Desk
    gate: Gate
    clock: Clock
    random: Random
    ordered: asyncio.Event
    busy: bool = field(default=False, init=False)
    stopping: bool = field(default=False, init=False)
    _driving: bool = field(default=False, init=False)
    _cancelled: str = field(default="", init=False)
    _interrupting: asyncio.Task[None] | None = field(default=None, init=False)
    _left_over: tuple[Delivery, ...] = field(default=(), init=False)

    async def run(self) -> None:
        """Work until `stopping` is set, or until cancelled: then the mail is given back."""
        try:
            await self.ordered.wait()
            while not self.stopping:
                await self._wait_at_gate()
                turn = await self._gather()
                await self._ack(turn.finished)
                if turn.messages:
                    await self._take_turn(turn)
        finally:
            await self._put_back_in_time(self._left_over)

    def cancel(self, reason: str) -> None:
        """Interrupt the turn that is under way; one that gathers its mail does not begin."""
        self._cancelled = reason
        if self._driving and (self._interrupting is None or self._interrupting.done()):
            logger.info("interrupting the turn: %s", reason)
            self._interrupting = asyncio.create_task(self.driver.interrupt())

    # Before a turn

    async def _wait_at_gate(self) -> None:
        """Wait until a turn may begin, holding no mail meanwhile."""
        if (reason := self.gate.standing()) is not None:
            await self._put_back_all(self._left_over, Deferred(reason.reason))
            self._left_over = ()
        await self.gate.passage(self.surroundings.reporter)

    async def _gather(self) -> Turn:
        """Return a turn with the mail that waits, or will come; without any if none may begin."""
        turn = Turn(self.surroundings.client, self.desk)
        turn.join(self._left_over)
        self._left_over = ()
        if not turn.messages:
            await self.gate.while_open(until_reachable(lambda: turn.take(1, WAIT_MAX)))
        if turn.messages:
            self.busy, self._cancelled = True, ""
            await self._gather_more(turn)
        return turn

    async def _gather_more(self, turn: Turn) -> None:
        """Let what else waits join the turn, as far as there is room."""
        unread = await until_reachable(self.surroundings.client.status)
        if unread > len(turn.messages):
            await until_reachable(lambda: turn.take(MOST - len(turn.messages), 0.0))
        turn.waiting = max(0, unread - len(turn.messages))

    # A turn

    async def _take_turn(self, turn: Turn) -> None:
        wake = wake_of(turn.messages)
        started = self.surroundings.reporter.begin(turn.messages)
        try:
            end = await self._work(turn)
        except asyncio.CancelledError:
            await self._put_back_in_time((*turn.held(), *turn.unseen), done=turn.finished)
            raise
        await self._settle(turn, end)
        ids = tuple(message.id for message in turn.messages)
        ended = self.clock.now()
        self.surroundings.reporter.turn(end.recorded(started, ended, wake=wake, messages=ids))
        self.busy = False
        await self._afterwards(end)

    async def _work(self, turn: Turn) -> TurnEnd:
        if self._cancelled:
            return TurnEnd(Rejected(self._cancelled), TurnOutcome.CANCELLED)
        logger.info("a turn about %s", ", ".join(str(each.id) for each in turn.messages))
        async with _beside(turn.listen(), turn.beat()):
            self._driving = True
            try:
                return await self.driver.turn(turn)
            except Exception as error:
                logger.exception("the driver has a bug")
                reason = f"the driver raised {type(error).__name__}: {error}"
                return TurnEnd(Failed(reason), TurnOutcome.FAILED)
            finally:
                self._driving = False

    async def _settle(self, turn: Turn, end: TurnEnd) -> None:
        """Ack what is done, give back the rest; urgent mail that nobody saw comes next."""
        self._left_over = turn.unseen
        if isinstance(end.outcome, Done):
            await self._ack([*turn.finished, *(each.id for each in turn.held())])
            return
        await self._ack(turn.finished)
        logger.warning("the turn: %s", end.outcome.reason)
        for message in turn.held():
            await self._put_back(message, end.outcome, self._delay(message, end))
        if end.hold_off is not None:
            await self._put_back_all(self._left_over, Deferred(end.hold_off.reason))
            self._left_over = ()

    async def _afterwards(self, end: TurnEnd) -> None:
        """Say how the agent stands now, and let the driver tidy up."""
        if end.hold_off is not None:
            await self._hold_off(end.hold_off, shared=end.shared)
            return
        if isinstance(end.outcome, Failed):
            self.surroundings.reporter.state(ActivityState.FAILED, end.outcome.reason)
        else:
            await self._stand_by()
        if not self.stopping:
            await self.driver.rest()

    async def _stand_by(self) -> None:
        """Say that the agent is idle, or for whose answer it waits."""
        reporter = self.surroundings.reporter
        try:
            asked = (await self.surroundings.client.loose_ends()).asked
        except HiveError as error:
            logger.info("it is not known what is open: %s", error)
            asked = ()
        if asked:
            oldest = asked[0]
            reporter.state(ActivityState.WAITING, f"{oldest.to}: {oldest.question}"[:200])
        else:
            reporter.state(ActivityState.IDLE)

    async def _hold_off(self, reason: HoldOff, *, shared: bool) -> None:
        reporter = self.surroundings.reporter
        self.gate.shut(ACCOUNT if shared else OWN_TURNS, reason)
        reporter.state(reason.state, reason.reason, reason.until)
        if shared and reason.until is not None:
            reporter.limited(reason.until, reason.reason)
        if reason.until is None:
            await self.driver.recovered()
            self.gate.open(OWN_TURNS)
            reporter.state(ActivityState.IDLE)

    # Acks and nacks

    async def _ack(self, ids: Sequence[int]) -> None:
        """Ack messages; one that cannot be acked now is so when it is delivered once more."""
        if not ids:
            return
        self.desk.finish_all(ids)
        try:
            await until_reachable(lambda: self.surroundings.client.ack(ids))
        except HiveError as refusal:
            logger.info("%s; it is acked when it is delivered again", refusal)
        else:
            self.desk.acked(tuple(ids))

    def _delay(self, message: Delivery, end: TurnEnd) -> float | None:
        match end.outcome:
            case Failed():
                return AFTER_FAILURE.delay(message.attempt - 1, self.random)
            case Deferred() if end.hold_off is None:
                return AFTER_DEFERRAL
            case _:
                return None

    async def _put_back(self, message: Delivery, outcome: Outcome, delay: float | None) -> None:
        """Give a message back; if that is refused, the hive has taken it back already."""
        assert not isinstance(outcome, Done)
        lease = self.desk.lease(message)
        self.desk.put_back(message)
        try:
            await self.surroundings.client.nack(
                message.id,
                mode=MODES[type(outcome)],
                delay=delay,
                reason=outcome.reason,
                lease=lease,
            )
        except HiveError as refusal:
            logger.info("message %d was not given back: %s", message.id, refusal)

    async def _put_back_all(self, messages: Iterable[Delivery], outcome: Outcome) -> None:
        for message in messages:
            await self._put_back(message, outcome, None)

    async def _put_back_in_time(
        self, messages: Sequence[Delivery], done: Sequence[int] = ()
    ) -> None:
        """Give mail back because the agent ends; if the daemon is away, our end does it."""
        try:
            async with asyncio.timeout(LAST_REQUEST):
                await self._ack(done)
                await self._put_back_all(messages, Deferred("the agent was stopped"))
        except TimeoutError:
            logger.info("mail goes back when the connection ends")


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines beside a block and end them with it."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
