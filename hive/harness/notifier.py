"""The bell of a peer: somebody is told that mail waits. It may fail; the inbox may not.

It looks at the inbox and leases nothing, so whatever becomes of it, the mail stays.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from attrs import define, field, frozen

from hive.client.api import AgentClient
from hive.errors import HiveError
from hive.harness.programs import Program, Tee, run_program
from hive.harness.unread import LOOK_AT, News, headline, waiting
from hive.wire.codec import present

logger = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks at the inbox; what has come meanwhile is one ring."""

RING_MAX = 10.0
"""Seconds that a ring may take."""

Ring = Callable[[Sequence[News]], Awaitable[None]]
"""Tells somebody that these messages wait."""


@define(eq=False)
class Bell:
    """Rings for mail that nobody has taken, once for each message.

    Attributes:
        ring: What it does.
        now: Wall clock, Unix time.
    """

    client: AgentClient
    ring: Ring
    now: Callable[[], float] = time.time
    _rung: frozenset[int] = field(default=frozenset(), init=False)

    async def run(self) -> None:
        """Look and ring, for ever. While the daemon is away there is nothing to ring for."""
        while True:
            with suppress(HiveError):
                await self._look_and_ring()
            await asyncio.sleep(LOOK_EVERY)

    async def _look_and_ring(self) -> None:
        news = await self._look()
        fresh = [each for each in news if each.id not in self._rung]
        self._rung = frozenset(each.id for each in news)
        if fresh:
            await self._ring(fresh)

    async def _look(self) -> Sequence[News]:
        if not await self.client.status():
            return ()
        rows = await self.client.recent(LOOK_AT)
        return waiting((present(row) for row in rows), self.now())

    async def _ring(self, news: Sequence[News]) -> None:
        """Ring within a time limit; a bell that is broken is no reason to end."""
        try:
            async with asyncio.timeout(RING_MAX):
                await self.ring(news)
        except Exception as error:
            logger.warning("the bell failed: %s; the mail waits", error or type(error).__name__)


@frozen
class ShellRing:
    """Runs a command of the shell, with the news in its environment and on standard input.

    Attributes:
        environ: What the command inherits.
        tee: Called with what it writes to standard error.
    """

    command: str
    environ: Mapping[str, str]
    tee: Tee

    async def __call__(self, news: Sequence[News]) -> None:
        """Run the command to its end."""
        text = headline(news)
        told = {"HIVE_NEWS": text, "HIVE_NEWS_COUNT": str(len(news))}
        program = Program(("/bin/sh", "-c", self.command), {**self.environ, **told}, RING_MAX / 2)
        nowhere = await asyncio.to_thread(os.open, os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            ran = await run_program(
                program, stdin=f"{text}\n".encode(), stdout=nowhere, tee=self.tee
            )
        finally:
            os.close(nowhere)
        if ran.status:
            logger.warning("the bell command ended with status %d; the mail waits", ran.status)


class Notice(StrEnum):
    """How a terminal is told of something; which one it understands is the terminal's business."""

    BELL = "bell"
    """The control character BEL: a sound, or a mark on the window."""
    OSC9 = "osc9"
    """A desktop notification as iTerm2 began it."""
    OSC777 = "osc777"
    """A desktop notification as rxvt-unicode began it."""


@frozen
class TerminalRing:
    """Writes a notice to a terminal; the text on it stays as it is."""

    terminal: Path
    notice: Notice

    async def __call__(self, news: Sequence[News]) -> None:
        """Write the notice; a terminal that is stopped is not waited for."""
        await asyncio.to_thread(self._write, notice_bytes(self.notice, headline(news)))

    def _write(self, data: bytes) -> None:
        fd = os.open(self.terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not os.isatty(fd):
                raise OSError(f"{self.terminal} is no terminal")
            os.write(fd, data)
        finally:
            os.close(fd)


def notice_bytes(notice: Notice, text: str) -> bytes:
    """Return what tells a terminal of a text; nothing in the text can end the sequence."""
    plain = "".join(char for char in text if char.isascii() and char.isprintable())
    match notice:
        case Notice.BELL:
            return b"\a"
        case Notice.OSC9:
            return f"\x1b]9;{plain}\a".encode()
        case Notice.OSC777:
            return f"\x1b]777;notify;hive;{plain.replace(';', ',')}\a".encode()


def all_of(rings: Sequence[Ring]) -> Ring:
    """Return a ring that does several at once; one that fails does not keep the others."""

    async def ring(news: Sequence[News]) -> None:
        ended = await asyncio.gather(*(each(news) for each in rings), return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    return ring
