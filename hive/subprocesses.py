"""Run commands without blocking the loop: to their end, or line by line.

`run_command` collects a short output within a deadline, `watch_command` passes lines on as they
come, and `stream_lines` yields lines until it is closed. None outlives its caller.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Protocol, cast

from attrs import frozen

from hive.piped_programs import STDERR, STDOUT, is_set_within, limit_memory, started

OUTPUT_BYTES = 1024 * 1024
"""Bytes of each output of a command that are kept; the rest is read and dropped."""

LINE_BYTES = 256 * 1024
"""Bytes of the longest line that `stream_lines` yields."""

PASSED_ON_BYTES = 4096
"""Bytes of the longest line that `watch_command` passes on in one piece."""

OnLine = Callable[[str], object]
"""Takes a line of a program's output, as the program wrote it."""

NO_PROGRAM = 127
"""The exit status that a shell gives for a missing program."""

_QUOTED = 500
"""Characters of a program's output that an error sentence quotes."""

_LAST_LINES = 20
"""Last lines of a watched command that its result has."""

_PLAIN = {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", "SYSTEMD_URLIFY": "0"}
"""Environment that makes the output of commands fit for parsing."""


@frozen
class Outcome:
    """Result of a command.

    Attributes:
        argv: Its command line.
        status: Exit status, negative for the signal that ended it; None if it was killed at its
            deadline.
        out: Standard output, at most `OUTPUT_BYTES`.
        err: Standard error, at most `OUTPUT_BYTES`.
        deadline: Seconds that it was given.
    """

    argv: tuple[str, ...]
    status: int | None
    out: str
    err: str
    deadline: float

    @property
    def ok(self) -> bool:
        """Whether it exited with status 0, which does not prove that it did its work."""
        return self.status == 0

    def __str__(self) -> str:
        """Return one sentence: the program, how it ended, and the end of its output."""
        program = " ".join(self.argv[:3])
        words = (self.err.strip() or self.out.strip())[-_QUOTED:]
        if self.status is None:
            end = f"did not end within {self.deadline:g} s"
        elif self.status < 0:
            end = f"was ended by signal {-self.status}"
        else:
            end = f"exited with status {self.status}"
        return f"`{program}` {end}" + (f": {words}" if words else "")


class RunCommand(Protocol):
    """Run a command to its exit or deadline; never raises for what the command does."""

    async def __call__(
        self, argv: Sequence[str], *, deadline: float, directory: Path | None = None
    ) -> Outcome:
        """Return the result. A cancellation kills the command.

        Args:
            argv: Its command line.
            deadline: Seconds until it is killed.
            directory: Its working directory; by default, that of this program.
        """
        ...


async def run_command(
    argv: Sequence[str],
    *,
    deadline: float,
    directory: Path | None = None,
    env: Mapping[str, str] | None = None,
    memory: int | None = None,
    given: bytes | None = None,
) -> Outcome:
    """Run a command in the C locale and without colours; see `RunCommand`.

    Args:
        argv: Its command line.
        deadline: Seconds until it is killed.
        directory: Its working directory; by default, that of this program.
        env: Its environment; by default, that of this program in the C locale, without colours.
        memory: Bytes of address space that it may use; by default, without a limit.
        given: Its standard input; by default, it has none.
    """
    words, out, err = tuple(argv), _Head(), _Head()
    sinks, variables = {STDOUT: out, STDERR: err}, os.environ | _PLAIN if env is None else env
    stdin = DEVNULL if given is None else PIPE
    try:
        async with started(
            words, sinks, stdin=stdin, env=variables, directory=directory
        ) as process:
            if given is not None:
                process.write_input(given)
            if memory is not None:
                limit_memory(process.pid, memory)
            in_time = await is_set_within(process.closed, deadline)
    except OSError as error:
        advice = f"{error}; is it installed and on PATH?"
        return Outcome(words, NO_PROGRAM, "", advice, deadline)
    return Outcome(words, process.status if in_time else None, str(out), str(err), deadline)


async def watch_command(
    argv: Sequence[str],
    on_line: OnLine,
    *,
    deadline: float,
    directory: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a command without input and pass each line of both outputs on as it comes.

    A cancellation kills the command. The result has the last lines as standard error.

    Args:
        argv: Its command line.
        on_line: Takes the lines; a long one comes in pieces of `PASSED_ON_BYTES`.
        deadline: Seconds until it is killed.
        directory: Its working directory; by default, that of this program.
        env: Its environment; by default, that of this program in the C locale, without colours.
    """
    words, last = tuple(argv), deque[str](maxlen=_LAST_LINES)

    def take(line: str) -> None:
        last.append(line)
        on_line(line)

    sinks = {STDOUT: _Lines(take), STDERR: _Lines(take)}
    given = os.environ | _PLAIN if env is None else env
    try:
        async with started(words, sinks, env=given, directory=directory) as process:
            in_time = await is_set_within(process.closed, deadline)
    except OSError as error:
        advice = f"{words[0]}: {error.strerror}; is it installed and on PATH?"
        return Outcome(words, NO_PROGRAM, "", advice, deadline)
    return Outcome(words, process.status if in_time else None, "", "\n".join(last), deadline)


async def stream_lines(argv: Sequence[str]) -> AsyncGenerator[bytes]:
    """Yield the lines of a program's output as they come; closing the iterator kills the program.

    Raises:
        OSError: It could not be started.
        ValueError: A line was longer than `LINE_BYTES`.
    """
    reader = asyncio.StreamReader(LINE_BYTES)
    async with started(argv, {STDOUT: reader}) as process:
        # With its transport, the reader stops reading while its buffer is full.
        reader.set_transport(cast("asyncio.Transport", process.outputs[STDOUT]))
        async for line in reader:
            yield line


class _Head:
    """Keeps the beginning of an output."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def __str__(self) -> str:
        return self._kept.decode(errors="replace")

    def feed_data(self, data: bytes) -> None:
        self._kept += data[: OUTPUT_BYTES - len(self._kept)]

    def feed_eof(self) -> None:
        pass


class _Lines:
    """Passes the lines of an output on."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed_data(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._pass_on(line)
        while len(self._rest) >= PASSED_ON_BYTES:
            self._pass_on(self._rest[:PASSED_ON_BYTES])
            self._rest = self._rest[PASSED_ON_BYTES:]

    def feed_eof(self) -> None:
        if self._rest:
            self._pass_on(self._rest)
            self._rest = b""

    def _pass_on(self, line: bytes) -> None:
        for start in range(0, max(len(line), 1), PASSED_ON_BYTES):
            self._on_line(line[start : start + PASSED_ON_BYTES].decode(errors="replace"))
