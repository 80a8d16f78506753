"""Replies to messages: which messages get one, the text, and sending it.

A reply is stored before its message is acked.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from random import Random

from attrs import frozen

from actors import Backoff
from hive.client.agent import AgentClient, Delivery, until_reachable
from hive.errors import InboxFullError, RateLimitedError, TooLargeError
from hive.harness.driver import SavedText
from hive.names import REMINDER, SYSTEM
from hive.quantities import counted

logger = logging.getLogger(__name__)

WITHOUT_INBOX = frozenset({SYSTEM, REMINDER})
"""Senders that have no inbox."""

RETRY = Backoff(base=1.0, factor=2.0, cap=15.0, jitter=0.1)
"""Delays between attempts to send while the receiver's inbox is full or the rate limit reached."""

ATTEMPTS_MAX = 6
"""Attempts to send before the error counts as a refusal."""


def wants_reply(message: Delivery, me: str, *, to_replies: bool) -> bool:
    """Return whether a reply to this message is sent.

    Senders without an inbox and the participant itself get none. A message that is a reply itself
    gets one only with `to_replies`: two agents that reply to every message would never stop.
    """
    if message.sender in WITHOUT_INBOX or message.sender == me:
        return False
    return to_replies or message.in_reply_to is None


def reply_text(output: bytes) -> str | None:
    """Return a program's output as the body of a reply; None if it is empty.

    Line ends at the end are removed, as a shell's `$(…)` does. Bytes that are not UTF-8 are
    replaced, and a note in the text gives their number.
    """
    try:
        text, note = output.decode(), ""
    except UnicodeDecodeError:
        text = output.decode(errors="replace")
        count = text.count("\N{REPLACEMENT CHARACTER}")
        note = f"\n[hive: U+FFFD replaces {counted(count, 'place')} with bytes that are no UTF-8]"
    text = text.rstrip("\r\n")
    return text + note if text else None


def too_long_notice(saved: SavedText, me: str) -> str:
    """Return the body that is sent in place of a reply that exceeds the size limit."""
    return (
        f"[hive: the answer has {counted(saved.size, 'byte')}, more than a message may have. "
        f"Nothing was cut: the whole text is in {saved.path} at {me}.]"
    )


@frozen
class ReplySender:
    """Sends replies as one participant.

    Attributes:
        me: The participant's name.
        state: State directory, in which texts are saved that could not be sent.
        enabled: Whether replies are sent at all; a hook only passes messages on.
        to_replies: Whether messages that are replies themselves get a reply.
    """

    client: AgentClient
    me: str
    state: Path
    random: Random
    enabled: bool = True
    to_replies: bool = False

    async def send(self, message: Delivery, text: str | SavedText | None) -> None:
        """Store the reply to a message, if it gets one; None is no reply.

        Waits until the daemon is reachable. A reply whose outcome is unknown is sent again, so the
        receiver may get it twice, with the same `in_reply_to`.

        Raises:
            HiveError: When the daemon refuses the reply.
        """
        wanted = self.enabled and wants_reply(message, self.me, to_replies=self.to_replies)
        if text is None or not wanted:
            return
        if isinstance(text, SavedText):
            await self._send(message, too_long_notice(text, self.me))
            return
        try:
            await self._send(message, text)
        except TooLargeError:
            saved = await asyncio.to_thread(self.save, message, text)
            await self._send(message, too_long_notice(saved, self.me))

    def save(self, message: Delivery, text: str) -> SavedText:
        """Write a text that could not be sent into the state directory."""
        path = self.state / "answers" / f"{message.id}-{message.attempt}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode()
        path.write_bytes(data)
        return SavedText(path, len(data))

    async def _send(self, message: Delivery, body: str) -> None:
        for attempt in range(ATTEMPTS_MAX):
            try:
                sent = await until_reachable(
                    lambda: self.client.send(message.sender, body, in_reply_to=message.id)
                )
            except (InboxFullError, RateLimitedError) as refusal:
                if attempt == ATTEMPTS_MAX - 1:
                    raise
                logger.warning("message %d: %s; trying again", message.id, refusal)
                await asyncio.sleep(RETRY.delay(attempt, self.random))
            else:
                logger.info("message %d: answered as %s", message.id, sent.id)
                return
