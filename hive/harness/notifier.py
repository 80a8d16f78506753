"""Notifications about unread messages of a peer: a shell command, a sequence to a terminal.

The inbox is polled and nothing is leased, so a notification that fails loses no message.
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

from hive.client.agent import AgentClient
from hive.errors import HiveError
from hive.harness.programs import Program, Tee, run_program
from hive.harness.unread import RECENT_MAX, UnreadMessage, headline, unread_of
from hive.wire.codec import present

logger = logging.getLogger(__name__)

POLL_INTERVAL = 2.0
"""Seconds between two polls of the inbox. Messages of one interval share a notification."""

NOTIFY_TIMEOUT = 10.0
"""Seconds that one notification may take."""

Sink = Callable[[Sequence[UnreadMessage]], Awaitable[None]]
"""Delivers one notification about these messages."""


@define(eq=False)
class UnreadNotifier:
    """Polls the inbox and sends one notification about each unread message.

    A message that was leased and returned to the inbox causes another notification.

    Attributes:
        sink: Delivers the notifications.
        now: Wall clock, Unix time.
    """

    client: AgentClient
    sink: Sink
    now: Callable[[], float] = time.time
    _notified: frozenset[int] = field(default=frozenset(), init=False)

    async def run(self) -> None:
        """Poll until cancelled. Errors of the daemon are ignored; the next poll tries again."""
        while True:
            with suppress(HiveError):
                await self._poll()
            await asyncio.sleep(POLL_INTERVAL)

    async def _poll(self) -> None:
        unread = await self._unread()
        new = [message for message in unread if message.id not in self._notified]
        self._notified = frozenset(message.id for message in unread)
        if new:
            await self._notify(new)

    async def _unread(self) -> Sequence[UnreadMessage]:
        if not await self.client.status():
            return ()
        rows = await self.client.recent(RECENT_MAX, unread=True, body_max=0)
        return unread_of((present(row) for row in rows), self.now())

    async def _notify(self, messages: Sequence[UnreadMessage]) -> None:
        """Notify within the time limit; log an error, so that polling goes on."""
        try:
            async with asyncio.timeout(NOTIFY_TIMEOUT):
                await self.sink(messages)
        except Exception as error:
            logger.warning(
                "the notification failed: %s; the mail waits", error or type(error).__name__
            )


@frozen
class CommandSink:
    """Runs a shell command, with the headline in its environment and on standard input.

    Attributes:
        environ: Environment that the command inherits.
        tee: Called with the bytes that it writes to standard error.
    """

    command: str
    environ: Mapping[str, str]
    tee: Tee

    async def __call__(self, messages: Sequence[UnreadMessage]) -> None:
        """Run the command to its end."""
        text = headline(messages)
        added = {"HIVE_NEWS": text, "HIVE_NEWS_COUNT": str(len(messages))}
        environment = {**self.environ, **added}
        program = Program(("/bin/sh", "-c", self.command), environment, NOTIFY_TIMEOUT / 2)
        null = await asyncio.to_thread(os.open, os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            ran = await run_program(program, stdin=f"{text}\n".encode(), stdout=null, tee=self.tee)
        finally:
            os.close(null)
        if ran.status:
            logger.warning(
                "the notification command ended with status %d; the mail waits", ran.status
            )


class TerminalNotice(StrEnum):
    """The control sequence of a notification; terminals differ in which one they support."""

    BELL = "bell"
    """The control character BEL: a sound, or a mark on the window."""
    OSC9 = "osc9"
    """A desktop notification as iTerm2 defined it."""
    OSC777 = "osc777"
    """A desktop notification as rxvt-unicode defined it."""


@frozen
class TerminalSink:
    """Writes a control sequence to a terminal; the text on the screen does not change."""

    terminal: Path
    notice: TerminalNotice

    async def __call__(self, messages: Sequence[UnreadMessage]) -> None:
        """Write the sequence, without waiting for a terminal whose output is stopped."""
        await asyncio.to_thread(self._write, terminal_sequence(self.notice, headline(messages)))

    def _write(self, data: bytes) -> None:
        fd = os.open(self.terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not os.isatty(fd):
                raise OSError(f"{self.terminal} is no terminal")
            os.write(fd, data)
        finally:
            os.close(fd)


def terminal_sequence(notice: TerminalNotice, text: str) -> bytes:
    """Return the control sequence for a text, reduced to printable ASCII."""
    plain = "".join(char for char in text if char.isascii() and char.isprintable())
    match notice:
        case TerminalNotice.BELL:
            return b"\a"
        case TerminalNotice.OSC9:
            return f"\x1b]9;{plain}\a".encode()
        case TerminalNotice.OSC777:
            return f"\x1b]777;notify;hive;{plain.replace(';', ',')}\a".encode()


def send_to_all(sinks: Sequence[Sink]) -> Sink:
    """Return a sink that uses several at once; one that fails does not affect the others."""

    async def send(messages: Sequence[UnreadMessage]) -> None:
        ended = await asyncio.gather(*(sink(messages) for sink in sinks), return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    return send
