"""The worker of a harness: receive, run a turn, settle, repeat. One loop for all drivers."""

from __future__ import annotations

import asyncio
import logging
from random import Random

from attrs import define, evolve, field

from actors import Backoff
from hive.client.agent import Delivery, until_taken
from hive.clock import Clock
from hive.errors import HiveError
from hive.harness.control import ACCOUNT
from hive.harness.driver import (
    Cancelled,
    Deferred,
    Done,
    Failed,
    HoldOff,
    Outcome,
    Surroundings,
    TurnDriver,
    TurnEnd,
)
from hive.harness.leases import BATCH_BYTES, Leases
from hive.harness.pause import Pause
from hive.harness.reporting import Reporter, wake_of
from hive.harness.turn import Turn
from hive.wire import WAIT_MAX
from hive.wire.agent import RECV_MAX
from hive.wire.enums import ActivityState, NackMode

logger = logging.getLogger(__name__)

AFTER_FAILURE = Backoff(base=1.0, factor=2.0, cap=60.0, jitter=0.1)
"""Delays before a message that failed is delivered again, by its attempt."""

AFTER_DEFERRAL = 30.0
"""Seconds before a message that was deferred is delivered again."""

ABOUT_MAX = 200
"""Characters of a reason in a report."""

OWN_TURNS = "turns"
"""Source of a pause that began with the end of a turn."""


@define(eq=False)
class Worker:
    """Runs the turns of one driver, one after the other.

    Attributes:
        surroundings: The connection and the reporter.
        driver: Carries out the turns.
        leases: The lease table, shared by all workers of a harness.
        pause: Decides whether a turn may begin.
        clock: Wall time, for records.
        random: Source of jitter.
        known: Set once the first control orders have arrived, such as a pause.
        busy: Whether a turn is running.
        stopping: Set to end the worker after that turn.
    """

    surroundings: Surroundings
    driver: TurnDriver
    leases: Leases
    pause: Pause
    clock: Clock
    random: Random
    known: asyncio.Event
    busy: bool = field(default=False, init=False)
    stopping: bool = field(default=False, init=False)
    _driving: bool = field(default=False, init=False)
    _cancelled: str = field(default="", init=False)
    _interrupting: asyncio.Task[None] | None = field(default=None, init=False)
    _left_over: tuple[Delivery, ...] = field(default=(), init=False)

    async def run(self) -> None:
        """Work until `stopping` is set, or until cancelled.

        Leased messages stay in the lease table, whose `close` puts them back.

        Raises:
            HiveError: The daemon refuses this harness.
        """
        await self.known.wait()
        while not self.stopping:
            if self.pause.current() is not None:
                await self._wait_out_pause()
            turn = await self._gather()
            if turn.messages:
                await self._take_turn(turn)

    def cancel(self, reason: str) -> None:
        """Interrupt the current turn; a turn that still gathers its messages does not begin."""
        self._cancelled = reason
        if self._driving and (self._interrupting is None or self._interrupting.done()):
            logger.info("interrupting the turn: %s", reason)
            self._interrupting = asyncio.create_task(self.driver.interrupt())

    @property
    def _reporter(self) -> Reporter:
        return self.surroundings.reporter

    # Before a turn

    async def _wait_out_pause(self) -> None:
        """Put messages back, then wait for the end of the pause."""
        if (reason := self.pause.current()) is not None:
            self._put_back_left_over(reason)
        await self.leases.flush()
        await self.driver.paused()
        await self.pause.until_over(self._reporter)

    async def _gather(self) -> Turn:
        """Return a turn with the next messages, waiting for them; empty if a pause began."""
        turn = Turn(self.leases)
        turn.join(self._left_over)
        self._left_over = ()
        complete = False
        if not turn.messages and self.driver.converses:
            await self.pause.unless_paused(self._take(turn, 0.0))
            complete = bool(turn.messages)
        if not turn.messages and self.pause.current() is None:
            await self.pause.unless_paused(self._take(turn, WAIT_MAX))
        if turn.messages:
            self.busy, self._cancelled = True, ""
            if self.driver.converses:
                await self._gather_more(turn, complete=complete)
        return turn

    async def _gather_more(self, turn: Turn, *, complete: bool) -> None:
        """Count the unread messages; add them to the turn if it is not complete.

        A `recv` that finds messages returns all that fit: the turn is complete. A parked `recv`
        returns as soon as one message arrives, and messages that arrived shortly after it belong to
        the same turn. So do those that wait when urgent messages begin a turn.
        """
        unread = await until_taken(self.surroundings.client.status)
        if not complete and unread > len(turn.messages):
            await self._take(turn, 0.0)
        turn.waiting = max(0, unread - len(turn.messages))

    async def _take(self, turn: Turn, wait: float) -> None:
        """Add messages to a turn with one request, as far as it has room."""
        most = min(self.driver.batch, RECV_MAX) - len(turn.messages)
        room = BATCH_BYTES - turn.size
        if most > 0 and room > 0:
            await until_taken(lambda: turn.take(most, wait, room))

    # A turn

    async def _take_turn(self, turn: Turn) -> None:
        wake, started = wake_of(turn.messages), self._reporter.begin(turn.messages)
        end = TurnEnd(Cancelled()) if self._cancelled else await self._drive(turn)
        if self._cancelled and isinstance(end.outcome, Cancelled):
            end = evolve(end, outcome=Cancelled(self._cancelled))
        await self._settle(turn, end, wake, started)
        self.busy = False
        await self._afterwards(end)

    async def _drive(self, turn: Turn) -> TurnEnd:
        """Run the driver's turn; urgent messages may join that of a conversation."""
        logger.info("a turn about %s", ", ".join(str(each.id) for each in turn.messages))
        listening = asyncio.create_task(turn.listen()) if self.driver.converses else None
        self._driving = True
        try:
            return await self.driver.turn(turn)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            logger.exception("the driver has a bug: work of its own was cancelled")
            return TurnEnd(Failed("the driver raised CancelledError"))
        except Exception as error:
            logger.exception("the driver has a bug")
            return TurnEnd(Failed(f"the driver raised {type(error).__name__}: {error}"))
        finally:
            self._driving = False
            if listening is not None:
                listening.cancel()  # not awaited: `_decide` must follow without an await

    # Settlement: a turn's outcome becomes acks, nacks and a record. It implements three guarantees
    # of delivery: a message is acked only when its work is done, only a failure counts as an
    # attempt, and finished work is not repeated.
    #
    # It has two steps. `_decide` records an ack or a nack for each message in the lease table.
    # Nothing awaits between the driver's return and the end of `_decide`, so either all messages
    # have a decision or none has. `flush` then sends the decisions. A loop with one request per
    # message would be simpler, but a cancellation in its middle would lose the remaining
    # decisions: a message that failed would go back as if it had not been tried. Here a worker
    # may be cancelled at any await:
    #   - before `_decide`: `Leases.close` defers the turn's messages, which counts no attempt,
    #     and acks those that the model reported as done;
    #   - in `flush`: what was not answered is still pending, and `Leases.close` sends it;
    #   - after `flush`: nothing is pending.
    #
    # Acks and nacks are written together and share a commit. Their order is free, since each is
    # about another message. The record is sent last, so that a conversation's turn that
    # `hive-c0re turns` lists is settled; it is sent even if `flush` was cancelled or refused, so
    # that no turn is missing.
    #
    # A conversation flushes at once: it may compact itself for minutes next, or wait for a login,
    # and a crash meanwhile would repeat the turn. With single messages the next request is a
    # `recv`; an ack that goes with it saves a round trip and a commit for each message.
    #
    # An outage needs no case of its own. All leases end with the connection, so an ack that is
    # still pending will be refused; its message is delivered again, and the lease table, which
    # lists it as finished, acks it then. Waiting here for the daemon would delay that.
    async def _settle(self, turn: Turn, end: TurnEnd, wake: str, started: float) -> None:
        self._decide(turn, end)
        try:
            if self.driver.converses or not isinstance(end.outcome, Done):
                await self.leases.flush()
        finally:
            ids = tuple(message.id for message in turn.messages)
            record = end.recorded(started, self.clock.now(), wake=wake, messages=ids)
            self._reporter.turn(record)

    def _decide(self, turn: Turn, end: TurnEnd) -> None:
        """Record an ack or a nack for each message; unseen urgent messages join the next turn."""
        outcome = end.outcome
        if isinstance(outcome, Done):
            self.leases.finish(message.id for message in turn.held())
        else:
            logger.warning("the turn: %s", outcome.reason)
            for message in turn.held():
                delay = self._delay(message, outcome, end.hold_off)
                self.leases.give_back(message, outcome.nack, outcome.reason, delay)
        self._left_over = turn.unseen
        if end.hold_off is not None:
            self._put_back_left_over(end.hold_off)

    def _delay(self, message: Delivery, outcome: Outcome, hold_off: HoldOff | None) -> float | None:
        match outcome:
            case Failed():
                return AFTER_FAILURE.delay(message.attempt - 1, self.random)
            case Deferred() if hold_off is None:
                return AFTER_DEFERRAL
            case _:
                return None

    def _put_back_left_over(self, reason: HoldOff) -> None:
        for message in self._left_over:
            self.leases.give_back(message, NackMode.DEFER, reason.reason)
        self._left_over = ()

    # After a turn

    async def _afterwards(self, end: TurnEnd) -> None:
        """Report the agent's state, and let the driver compact its conversation."""
        if end.hold_off is not None:
            await self._hold_off(end.hold_off, shared=end.shared)
        elif self.driver.converses:
            await self._report_state(end.outcome)
            if not self.stopping:
                await self.driver.rest()
        elif not self.leases.held():
            self._report_rest(end.outcome)

    def _report_rest(self, outcome: Outcome) -> None:
        """Report that the agent waits for a message that was deferred, and why, or is idle.

        Nobody else learns of it: a deferral counts no attempt, so no sender is notified.
        """
        if isinstance(outcome, Deferred):
            until = self.clock.now() + AFTER_DEFERRAL
            self._reporter.state(ActivityState.WAITING, outcome.reason[:ABOUT_MAX], until)
        else:
            self._reporter.state(ActivityState.IDLE)

    async def _hold_off(self, reason: HoldOff, *, shared: bool) -> None:
        self.pause.begin(ACCOUNT if shared else OWN_TURNS, reason)
        self._reporter.state(reason.state, reason.reason, reason.until)
        if shared and reason.until is not None:
            self._reporter.limited(reason.until, reason.reason)
        if reason.until is None:
            await self.driver.recovered()
            self.pause.end(OWN_TURNS)
            self._reporter.state(ActivityState.IDLE)

    async def _report_state(self, outcome: Outcome) -> None:
        """Report a failed turn, else the first unanswered question, else that the agent is idle."""
        if isinstance(outcome, Failed):
            self._reporter.state(ActivityState.FAILED, outcome.reason)
            return
        try:
            asked = (await self.surroundings.client.loose_ends()).asked
        except HiveError as error:
            logger.info("the open questions are unknown: %s", error)
            asked = ()
        if asked:
            about = f"{asked[0].to}: {asked[0].question}"[:200]
            self._reporter.state(ActivityState.WAITING, about)
        else:
            self._reporter.state(ActivityState.IDLE)
