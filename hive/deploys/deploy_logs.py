"""The output of deploys: bounded, kept on disk, and followed while it grows.

A deploy prints as much as its build does, which whoever proposed it controls. So each line is shown
with escapes and cut, and of a long output the beginning and the end are kept.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from pathlib import Path

from hive.clock import Clock, rfc3339
from hive.escapes import inline
from hive.piped_programs import is_set_within
from hive.quantities import counted

logger = logging.getLogger(__name__)

HEAD_BYTES = TAIL_BYTES = 128 * 1024
"""Bytes of the beginning, and of the end, of an output that are kept."""

LINE_CHARACTERS = 1000
"""Characters of a line that are kept."""

PIECE_LINES = 100
"""Most lines that a follower gets at once."""

SAVE_SECONDS = 1.0
"""Seconds between two writes of the output of a deploy that goes on."""

_INDENT = "    "


class DeployLog:
    """The lines of one deploy: the first, the last, and how many are left out between them.

    Attributes:
        is_ended: Whether no further line will come.
    """

    def __init__(self) -> None:
        self.is_ended = False
        self._changed = asyncio.Event()
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._sizes = [0, 0]
        self._dropped = 0

    def add(self, line: str) -> None:
        """Add a line that prints as itself."""
        size = len(line.encode(errors="replace")) + 1
        if not self._tail and self._sizes[0] + size <= HEAD_BYTES:
            self._head.append(line)
            self._sizes[0] += size
        else:
            self._tail.append(line)
            self._sizes[1] += size
        while self._sizes[1] > TAIL_BYTES:
            self._sizes[1] -= len(self._tail.popleft().encode(errors="replace")) + 1
            self._dropped += 1
        self._wake()

    def end(self) -> None:
        """Let followers end."""
        self.is_ended = True
        self._wake()

    async def wait_for_more(self) -> None:
        """Wait until there is a further line, or none will come."""
        if not self.is_ended:
            await self._changed.wait()

    def _wake(self) -> None:
        # Each follower waits for the event of its time; a shared one could be cleared by another.
        self._changed.set()
        self._changed = asyncio.Event()

    def after(self, position: int) -> tuple[list[str], int]:
        """Return the lines after a position that are kept, and the position after them.

        Positions count all lines from 0. A gap is shown as a line.
        """
        first_of_tail = len(self._head) + self._dropped
        found = self._head[position:]
        if self._dropped and position < first_of_tail:
            found.append(
                f"[hive] {counted(first_of_tail - max(position, len(self._head)), 'line')} left out"
            )
        found += list(self._tail)[max(position - first_of_tail, 0) :]
        return found, first_of_tail + len(self._tail)


class DeployLogs:
    """The outputs of all deploys, by number.

    Args:
        directory: Where they are kept.
        clock: Wall time.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._open: dict[int, DeployLog] = {}

    def begin(self, number: int) -> None:
        """Open the output of a new deploy."""
        self._open[number] = DeployLog()

    async def resume(self, number: int) -> None:
        """Open the output of a deploy that goes on after a restart of the daemon."""
        self.begin(number)
        for line in await asyncio.to_thread(self._read, number):
            self._open[number].add(line)

    def add_step(self, number: int, text: str) -> None:
        """Add a line about a step, with the time."""
        self._add(number, f"{rfc3339(self._clock.now())} {text}")

    def add_output(self, number: int, line: str) -> None:
        """Add a line that a program printed; indented, so that none passes for a step."""
        self._add(number, f"{_INDENT}{line}")

    def _add(self, number: int, line: str) -> None:
        log = self._open.get(number)
        if log is not None:
            shown = inline(line.expandtabs())
            log.add(shown if len(shown) <= LINE_CHARACTERS else shown[:LINE_CHARACTERS] + "…")

    async def save(self, number: int) -> None:
        """Write an open output to its file; a disk that is full ends no deploy."""
        log = self._open.get(number)
        if log is None:
            return
        lines, _ = log.after(0)
        try:
            await asyncio.to_thread(self._write, number, "".join(f"{line}\n" for line in lines))
        except OSError as error:
            logger.warning("the output of deploy %d cannot be written: %s", number, error)

    async def save_until(self, number: int, done: asyncio.Event) -> None:
        """Write an open output every `SAVE_SECONDS` until an event is set, and then once more."""
        while not await is_set_within(done, SAVE_SECONDS):
            await self.save(number)
        await self.save(number)

    async def end(self, number: int) -> None:
        """Write the output of a deploy that has ended, and let its followers end."""
        await self.save(number)
        if (log := self._open.pop(number, None)) is not None:
            log.end()

    async def follow(self, number: int) -> AsyncIterator[list[str]]:
        """Yield the lines of a deploy from its beginning, and each new one until it has ended."""
        log = self._open.get(number)
        if log is None:
            lines = await asyncio.to_thread(self._read, number)
            for at in range(0, len(lines), PIECE_LINES):
                yield lines[at : at + PIECE_LINES]
            return
        position, is_ended = 0, False
        while not is_ended:
            is_ended = log.is_ended
            lines, position = log.after(position)
            for at in range(0, len(lines), PIECE_LINES):
                yield lines[at : at + PIECE_LINES]
            if not (lines or is_ended):
                await log.wait_for_more()

    async def keep(self, numbers: Collection[int]) -> None:
        """Delete the files of all other deploys that are not open."""
        await asyncio.to_thread(self._keep, {*numbers, *self._open})

    def _keep(self, numbers: set[int]) -> None:
        with suppress(OSError):
            for file in self._directory.glob("*.log"):
                if file.stem.isdigit() and int(file.stem) not in numbers:
                    file.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number}.log"

    def _read(self, number: int) -> list[str]:
        try:
            return self._path(number).read_text(errors="replace").splitlines()
        except OSError:
            return []

    def _write(self, number: int, text: str) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._directory / f"{number}.new"
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", errors="replace") as file:
            file.write(text)
        new.replace(self._path(number))
