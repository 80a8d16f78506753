"""Sending a turn's answer, so that it is stored before the message is acked."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from random import Random

from attrs import frozen

from actors import Backoff
from hive.client.api import AgentClient, Delivery
from hive.errors import InboxFullError, RateLimitedError, TooLargeError
from hive.harness.answers import too_long, wants_answer
from hive.harness.drivers import SavedText
from hive.harness.patience import until_reachable

logger = logging.getLogger(__name__)

FULL = Backoff(base=1.0, factor=2.0, cap=15.0, jitter=0.1)
"""Delays between attempts to send into a full inbox, or when sending too fast."""

FULL_ATTEMPTS = 6
"""Attempts before that counts as a refusal."""


@frozen
class Answerer:
    """Sends answers as one participant.

    Attributes:
        me: The participant's name.
        answers: Whether answers are sent at all; a hook hands over, it does not answer.
        to_replies: Whether messages that are answers themselves are answered.
        state: Directory where texts are kept that are too long to be sent.
    """

    client: AgentClient
    me: str
    state: Path
    random: Random
    answers: bool = True
    to_replies: bool = False

    async def answer(self, message: Delivery, text: str | SavedText | None) -> None:
        """Store the answer to a message, if there is one to send.

        While the daemon is away this waits. An answer whose outcome is unknown is sent again, so
        the asker may get it twice, with the same `in_reply_to`.

        Raises:
            HiveError: When the daemon refuses the answer.
        """
        wanted = self.answers and wants_answer(message, self.me, to_replies=self.to_replies)
        if text is None or not wanted:
            return
        if isinstance(text, SavedText):
            await self._send(message, too_long(text, self.me))
            return
        try:
            await self._send(message, text)
        except TooLargeError:
            saved = await asyncio.to_thread(self.keep, message, text)
            await self._send(message, too_long(saved, self.me))

    def keep(self, message: Delivery, text: str) -> SavedText:
        """Write a text that could not be sent into the state directory."""
        path = self.state / "answers" / f"{message.id}-{message.attempt}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode()
        path.write_bytes(data)
        return SavedText(path, len(data))

    async def _send(self, message: Delivery, body: str) -> None:
        for attempt in range(FULL_ATTEMPTS):
            try:
                sent = await until_reachable(
                    lambda: self.client.send(message.sender, body, in_reply_to=message.id)
                )
            except (InboxFullError, RateLimitedError) as refusal:
                if attempt == FULL_ATTEMPTS - 1:
                    raise
                logger.warning("message %d: %s; trying again", message.id, refusal)
                await asyncio.sleep(FULL.delay(attempt, self.random))
            else:
                logger.info("message %d: answered as %s", message.id, sent.id)
                return
