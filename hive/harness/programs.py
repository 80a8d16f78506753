"""Running a program in a process group of its own, with a time limit, leaving nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from typing import cast

from attrs import define, field, frozen

KILL_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL for a program whose time is over."""

LAST_WORDS = 1.0
"""Seconds to wait for what a program that has ended wrote to standard error just before."""

TAIL_BYTES = 8192
"""Bytes of standard error that are kept."""

OUTPUT_MAX = 64 << 20
"""Bytes of output at which a program is ended: it would fill the disk."""

LOOK_EVERY = 0.5
"""Seconds between two looks at how much a program has printed."""

Tee = Callable[[bytes], object]


def write_to_stderr(data: bytes) -> None:
    """Pass a program's standard error on, so that it is in the agent's log."""
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


class Cut(Enum):
    """Why a program was ended that would have gone on."""

    TIME = "time"
    OUTPUT = "output"


@frozen
class Program:
    """What to run.

    Attributes:
        time_limit: Seconds until its process group is ended.
        output_max: Bytes of output at which it is ended, too, or soon after.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    time_limit: float
    output_max: int = OUTPUT_MAX


@frozen
class Ran:
    """How a program ended.

    Attributes:
        status: Exit status, or the negative number of the signal that ended it.
        cut: Why it was ended; None if it ended by itself.
        last_lines: The end of its standard error, oldest first.
    """

    status: int
    cut: Cut | None
    last_lines: tuple[str, ...]


async def run_program(program: Program, *, stdin: bytes, stdout: int, tee: Tee) -> Ran:
    """Run a program to its end.

    Whatever it started in its process group is killed when it ends, and also when this coroutine
    is cancelled.

    Args:
        program: What to run.
        stdin: What it reads.
        stdout: File descriptor that gets its output.
        tee: Called with what it writes to standard error.

    Raises:
        OSError: When it cannot be started.
    """
    loop = asyncio.get_running_loop()
    transport, watch = await loop.subprocess_exec(
        lambda: _Watch(tee),
        *program.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env=program.environment,
        start_new_session=True,
    )
    group = transport.get_pid()
    try:
        _feed(transport, stdin)
        cut = await _until_end(watch.exited, program, stdout)
        if cut is not None:
            _signal(group, signal.SIGTERM)
            await _set_within(watch.exited, KILL_GRACE)
    finally:
        _signal(group, signal.SIGKILL)
        await watch.exited.wait()
        await _set_within(watch.silent, LAST_WORDS)
        transport.close()
    return Ran(transport.get_returncode() or 0, cut, watch.last_lines())


@define(eq=False)
class _Watch(asyncio.SubprocessProtocol):
    """Hears a program's standard error and its end, which may come in either order."""

    tee: Tee
    exited: asyncio.Event = field(factory=asyncio.Event)
    silent: asyncio.Event = field(factory=asyncio.Event)
    _tail: bytes = b""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.tee(data)
        self._tail = (self._tail + data)[-TAIL_BYTES:]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 2:  # noqa: PLR2004 - standard error
            self.silent.set()

    def process_exited(self) -> None:
        self.exited.set()

    def last_lines(self) -> tuple[str, ...]:
        return tuple(self._tail.decode(errors="replace").splitlines())


def _feed(transport: asyncio.SubprocessTransport, data: bytes) -> None:
    """Write standard input; a program that has not read it, or has ended already, may do so."""
    pipe = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
    if not pipe.is_closing():
        pipe.write(data)
        pipe.close()


async def _until_end(exited: asyncio.Event, program: Program, stdout: int) -> Cut | None:
    """Wait for a program's end, or for a reason to end it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + program.time_limit
    while not await _set_within(exited, min(LOOK_EVERY, deadline - loop.time())):
        if loop.time() >= deadline:
            return Cut.TIME
        if os.fstat(stdout).st_size > program.output_max:
            return Cut.OUTPUT
    return None


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
