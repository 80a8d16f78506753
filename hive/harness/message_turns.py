"""Turns of one message each: how a `MessageDriver` becomes a `TurnDriver`."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from attrs import define, field

from hive.client.agent import Delivery
from hive.errors import HiveError
from hive.harness.driver import (
    Cancelled,
    Done,
    MessageDriver,
    Outcome,
    Rejected,
    SavedText,
    Surroundings,
    TurnDriver,
    TurnEnd,
)
from hive.harness.replies import ReplySender
from hive.harness.turn import Turn


@define(eq=False)
class MessageTurns(TurnDriver):
    """Has a driver work on one message, then sends its answer, so that it is stored before the ack.

    Attributes:
        driver: Does the work; several of these may share it.
        replies: Sends the answers.
    """

    batch: ClassVar[int] = 1

    driver: MessageDriver
    replies: ReplySender
    _work: asyncio.Future[Outcome] | None = field(default=None, init=False)
    _interrupted: bool = field(default=False, init=False)

    async def open(self, surroundings: Surroundings) -> None:
        """Do nothing: there is no conversation."""

    async def close(self) -> None:
        """Do nothing: what runs ends with its turn."""

    async def turn(self, turn: Turn) -> TurnEnd:
        """Work on the message of a turn and answer it."""
        (message,) = turn.messages
        return TurnEnd(await self._answered(message, await self._handled(message)))

    async def interrupt(self) -> None:
        """Cancel the work; an answer that is being sent is sent all the same."""
        if self._work is not None:
            self._interrupted = True
            self._work.cancel()

    async def _handled(self, message: Delivery) -> Outcome:
        self._interrupted = False
        self._work = asyncio.ensure_future(self.driver.handle(message))
        try:
            return await self._work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._interrupted and task is not None and not task.cancelling():
                return Cancelled()
            raise
        finally:
            self._work = None

    async def _answered(self, message: Delivery, outcome: Outcome) -> Outcome:
        """Send the answer; if it is refused, the message becomes a dead letter that shows why."""
        if not isinstance(outcome, Done):
            return outcome
        try:
            await self.replies.send(message, outcome.answer)
        except HiveError as refusal:
            where = await self._kept(message, outcome.answer)
            return Rejected(f"the work is done, but its answer was refused: {refusal}{where}")
        return outcome

    async def _kept(self, message: Delivery, answer: str | SavedText | None) -> str:
        """Save an answer that could not be sent; return where it is, in words."""
        if isinstance(answer, str):
            answer = await asyncio.to_thread(self.replies.save, message, answer)
        return f"; the answer is in {answer.path}" if answer is not None else ""
