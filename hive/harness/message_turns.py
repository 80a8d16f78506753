"""Turns of one message each: adapts a `MessageDriver` to a `TurnDriver`."""

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
    """Runs a message driver on one message, then sends its answer, before the ack.

    Attributes:
        driver: Processes the messages; may be shared by several `MessageTurns`.
        replies: Sends the answers.
    """

    batch: ClassVar[int] = 1
    converses: ClassVar[bool] = False

    driver: MessageDriver
    replies: ReplySender
    _work: asyncio.Future[Outcome] | None = field(default=None, init=False)
    _interrupted: bool = field(default=False, init=False)

    async def open(self, surroundings: Surroundings) -> None:
        """Do nothing: there is no conversation."""

    async def close(self) -> None:
        """Do nothing: the work ends with its turn."""

    async def turn(self, turn: Turn) -> TurnEnd:
        """Process the message of a turn and send its answer."""
        (message,) = turn.messages
        return TurnEnd(await self._send_answer(message, await self._process(message)))

    async def interrupt(self) -> None:
        """Cancel the work; an answer that is being sent is still sent."""
        if self._work is not None:
            self._interrupted = True
            self._work.cancel()

    async def _process(self, message: Delivery) -> Outcome:
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

    async def _send_answer(self, message: Delivery, outcome: Outcome) -> Outcome:
        """Send the answer; if it is refused, the message becomes a dead letter with the reason."""
        if not isinstance(outcome, Done):
            return outcome
        try:
            await self.replies.send(message, outcome.answer)
        except HiveError as refusal:
            where = await self._save(message, outcome.answer)
            return Rejected(f"the work is done, but its answer was refused: {refusal}{where}")
        return outcome

    async def _save(self, message: Delivery, answer: str | SavedText | None) -> str:
        """Save an answer that could not be sent; return its path as the end of a reason."""
        if isinstance(answer, str):
            answer = await asyncio.to_thread(self.replies.save, message, answer)
        return f"; the answer is in {answer.path}" if answer is not None else ""
