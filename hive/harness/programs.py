"""Run the program of a turn, with a time limit and an output limit; kill its process group."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from enum import Enum

from attrs import define, field, frozen

from hive.cancellation import shield_until_done
from hive.harness.run_time import run_time_limit
from hive.piped_programs import STDERR, Subprocess, is_set_within, started
from hive.queued_output import standard_error

KILL_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL for a program over one of its limits."""

STDERR_WAIT = 1.0
"""Seconds to wait for the end of standard error after a program has exited."""

TAIL_BYTES = 8192
"""Bytes of the end of standard error that are retained."""

OUTPUT_MAX = 64 << 20
"""Bytes of output above which a program is ended, before it fills the disk."""

CHECK_INTERVAL = 0.5
"""Seconds between two checks of the size of a program's output."""

Tee = Callable[[bytes], object]
"""Called with each chunk of a program's standard error."""


def write_to_stderr(data: bytes) -> None:
    """Copy a program's standard error to that of this process, which is the agent's log.

    It is written soon, or dropped: a program that prints more than is read holds up no turn.
    """
    standard_error().put(data)


class Cut(Enum):
    """Limit for which a program was ended."""

    TIME = "time"
    OUTPUT = "output"


@frozen
class Program:
    """A command with its limits.

    Attributes:
        command: Program and arguments.
        environment: Its whole environment.
        time_limit: Seconds until its process group is ended.
        output_max: Bytes of output above which it is ended, at the next check of the size.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    time_limit: float
    output_max: int = OUTPUT_MAX


@frozen
class Ran:
    """Result of a program.

    Attributes:
        status: Exit status, or the negative number of the signal that ended it.
        cut: Limit for which it was ended; None if it ended by itself.
        last_lines: The end of its standard error, oldest first.
    """

    status: int
    cut: Cut | None
    last_lines: tuple[str, ...]


async def run_program(program: Program, *, stdin: bytes, stdout: int, tee: Tee) -> Ran:
    """Run a program to its end, then kill the rest of its process group.

    A cancellation kills the whole group, and what it has written to standard error is read, before
    it is raised.

    Args:
        program: Command and limits.
        stdin: Its standard input.
        stdout: File descriptor for its output, of a regular file.
        tee: Called with each chunk of its standard error.

    Raises:
        OSError: It could not be started.
    """
    errors, pipe = _Tail(tee), subprocess.PIPE
    env, sinks = program.environment, {STDERR: errors}
    async with started(program.command, sinks, stdin=pipe, stdout=stdout, env=env) as process:
        try:
            process.write_input(stdin)
            cut = await _until_end(process, program, stdout)
            if cut is not None:
                process.signal_group(signal.SIGTERM)
                await is_set_within(process.exited, KILL_GRACE)
        finally:
            process.signal_group(signal.SIGKILL)
            await shield_until_done(_read_to_end(process, errors))
    return Ran(process.status or 0, cut, errors.last_lines())


@define(eq=False)
class _Tail:
    """Retains the end of standard error and passes all of it on."""

    tee: Tee
    complete: asyncio.Event = field(factory=asyncio.Event)
    _tail: bytes = b""

    def feed_data(self, data: bytes) -> None:
        self.tee(data)
        self._tail = (self._tail + data)[-TAIL_BYTES:]

    def feed_eof(self) -> None:
        self.complete.set()

    def last_lines(self) -> tuple[str, ...]:
        return tuple(self._tail.decode(errors="replace").splitlines())


async def _read_to_end(process: Subprocess, errors: _Tail) -> None:
    """Wait for the exit, and for the end of standard error unless another process has it open."""
    await process.exited.wait()
    await is_set_within(errors.complete, STDERR_WAIT)


async def _until_end(process: Subprocess, program: Program, stdout: int) -> Cut | None:
    """Wait until the program exits or exceeds a limit; return the limit."""
    try:
        async with run_time_limit(program.time_limit):
            while not await is_set_within(process.exited, CHECK_INTERVAL):
                if os.fstat(stdout).st_size > program.output_max:
                    return Cut.OUTPUT
    except TimeoutError:
        return None if process.exited.is_set() else Cut.TIME
    return None
