"""Messages that had no living actor to go to: counted, the last kept, logged sparingly."""

import asyncio
import logging
from collections import deque
from typing import Final

from attrs import define, field

from actors._events import DeadLetter

KEPT: Final = 100
"""How many dead letters are kept for inspection."""

LOG_INTERVAL: Final = 10.0
"""At most one log line in this many seconds."""

_log = logging.getLogger("actors")


@define(eq=False)
class DeadLetters:
    """The dead letters of one actor system.

    Attributes:
        count: How many there were since the system started.
    """

    count: int = field(default=0, init=False)
    _recent: deque[DeadLetter] = field(factory=lambda: deque(maxlen=KEPT), init=False)
    _unlogged: int = field(default=0, init=False)
    _quiet: asyncio.TimerHandle | None = field(default=None, init=False)

    @property
    def recent(self) -> tuple[DeadLetter, ...]:
        """The last dead letters, oldest first; at most `KEPT`."""
        return tuple(self._recent)

    def add(self, letter: DeadLetter, loop: asyncio.AbstractEventLoop) -> None:
        """Count and keep a dead letter; log it unless one was logged just before."""
        self.count += 1
        self._recent.append(letter)
        if self._quiet is not None:
            self._unlogged += 1
            return
        _log.warning(
            "dead letter: %s to %s from %s",
            type(letter.message).__name__,
            letter.ref.path,
            "outside" if letter.sender is None else letter.sender.path,
        )
        self._quiet = loop.call_later(LOG_INTERVAL, self._speak_up)

    def close(self) -> None:
        """Log what was held back and stop the timer."""
        if self._quiet is not None:
            self._quiet.cancel()
            self._speak_up()

    def _speak_up(self) -> None:
        self._quiet = None
        if self._unlogged:
            _log.warning("dead letters: and %s more", f"{self._unlogged:,}")
            self._unlogged = 0
