"""Run other programs, each as the leader of a session of its own, without blocking the loop.

`started` is the one place that starts a program. It kills the program if the caller is cancelled
or leaves early, so that no program outlives its caller. `run_command`, which collects a short
output within a deadline, and `stream_lines`, which yields lines until it is closed, are built on
it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol, cast

from attrs import frozen

from hive.cancellation import shield_until_done

OUTPUT_BYTES = 1024 * 1024
"""Bytes of each output of a command that are kept; the rest is read and dropped."""

LINE_BYTES = 256 * 1024
"""Bytes of the longest line that `stream_lines` yields."""

NO_PROGRAM = 127
"""The exit status that a shell gives for a missing program."""

STDOUT, STDERR = 1, 2

_QUOTED = 500
"""Characters of a program's output that an error sentence quotes."""

_PLAIN = {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", "SYSTEMD_URLIFY": "0"}
"""Environment that makes the output of commands fit for parsing."""


class Sink(Protocol):
    """Receives the output of a program; an `asyncio.StreamReader` is one."""

    def feed_data(self, data: bytes, /) -> object:
        """Take the next bytes."""
        ...

    def feed_eof(self) -> object:
        """Record that the pipe is closed."""
        ...


class Subprocess(asyncio.SubprocessProtocol):
    """A running program.

    Attributes:
        exited: Set once the program has exited and its exit status is collected.
        closed: Set once it has exited and all its pipes are closed. Any process that inherited
            them can keep them open.
    """

    def __init__(self, sinks: Mapping[int, Sink]) -> None:
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self._sinks = sinks
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def transport(self) -> asyncio.SubprocessTransport:
        """The transport of the started program."""
        assert self._transport is not None
        return self._transport

    @property
    def is_started(self) -> bool:
        """Whether the program has been started."""
        return self._transport is not None

    @property
    def status(self) -> int | None:
        """Exit status, negative for the signal that ended it; None while it runs."""
        return self.transport.get_returncode()

    def write_input(self, data: bytes) -> None:
        """Write standard input and close it; a program that closed it first loses the rest."""
        pipe = cast("asyncio.WriteTransport", self.transport.get_pipe_transport(0))
        if not pipe.is_closing():
            pipe.write(data)
            pipe.close()

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the program and to all that it started in its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.transport.get_pid(), number)

    async def end(self) -> None:
        """Kill the process group unless all of it has ended, and release the pipes."""
        if not self.closed.is_set():
            self.signal_group(signal.SIGKILL)
            # A transport that is closed earlier would collect the exit status a second time.
            await self.exited.wait()
        # A process that left the session may hold the pipes open for as long as it likes.
        self.transport.close()
        await self.closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, which exists before the start has returned."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Pass output on to its sink."""
        if fd in self._sinks:
            self._sinks[fd].feed_data(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Pass the end of an output on to its sink."""
        if fd in self._sinks:
            self._sinks[fd].feed_eof()

    def process_exited(self) -> None:
        """Note the exit."""
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the program has exited and its pipes are closed."""
        self.closed.set()


@asynccontextmanager
async def started(
    argv: Sequence[str],
    sinks: Mapping[int, Sink],
    *,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int | None = None,
    env: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> AsyncIterator[Subprocess]:
    """Start a program; kill its process group on leaving unless it has ended by then.

    Args:
        argv: Its command line.
        sinks: Receivers of its outputs, by `STDOUT` and `STDERR`; an output without one goes to
            /dev/null.
        stdin: /dev/null by default; `PIPE` for `Subprocess.write_input`.
        stdout: File descriptor for its output in place of a sink.
        env: Its environment; by default, that of this program.
        directory: Its working directory; by default, that of this program.

    Raises:
        OSError: It could not be started.
    """
    process = Subprocess(sinks)
    piped = dict.fromkeys(sinks, asyncio.subprocess.PIPE)
    start = asyncio.get_running_loop().subprocess_exec(
        lambda: process,
        *argv,
        stdin=stdin,
        stdout=piped.get(STDOUT, asyncio.subprocess.DEVNULL) if stdout is None else stdout,
        stderr=piped.get(STDERR, asyncio.subprocess.DEVNULL),
        env=env,
        cwd=directory,
        start_new_session=True,
    )
    try:
        # A start that is cancelled halfway would leave an uncollected process.
        await shield_until_done(start)
        yield process
    finally:
        if process.is_started:
            await shield_until_done(process.end())


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
    argv: Sequence[str], *, deadline: float, directory: Path | None = None
) -> Outcome:
    """Run a command without input, in the C locale and without colours; see `RunCommand`."""
    words, out, err = tuple(argv), _Head(), _Head()
    sinks, env = {STDOUT: out, STDERR: err}, os.environ | _PLAIN
    try:
        async with started(words, sinks, env=env, directory=directory) as process:
            in_time = await is_set_within(process.closed, deadline)
    except OSError as error:
        advice = f"{error}; is it installed and on PATH?"
        return Outcome(words, NO_PROGRAM, "", advice, deadline)
    return Outcome(words, process.status if in_time else None, str(out), str(err), deadline)


async def stream_lines(argv: Sequence[str]) -> AsyncGenerator[bytes]:
    """Yield the lines of a program's output as they come; closing the iterator kills the program.

    Raises:
        OSError: It could not be started.
        ValueError: A line was longer than `LINE_BYTES`.
    """
    reader = asyncio.StreamReader(LINE_BYTES)
    async with started(argv, {STDOUT: reader}) as process:
        pipe = process.transport.get_pipe_transport(STDOUT)
        # With its transport, the reader stops reading while its buffer is full.
        reader.set_transport(cast("asyncio.Transport", pipe))
        async for line in reader:
            yield line


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most `seconds`; return whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


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
