"""Start other programs, each as the leader of a session of its own, with pipes that the loop reads.

`started` kills the program if its caller is cancelled or leaves early: no program outlives its
caller.

Programs are started by `subprocess.Popen` in a thread, and not by the `subprocess_exec` of the
loop. That of uvloop uses fork(2), which copies the page tables of this program and holds the loop
for some ten milliseconds each time; a deploy starts some fifty programs. `Popen` uses vfork(2),
which copies nothing.

The loop reads and writes the pipes by their descriptors. The transports of `connect_read_pipe` are
not used: that of uvloop closes the number of a descriptor twice, and between the two another thread
may have opened a file under it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from hive.cancellation import shield_until_done

STDOUT, STDERR = 1, 2

_READ_BYTES = 64 * 1024
"""Bytes that are read from a pipe at once: as many as a pipe holds; see pipe(7)."""


class Sink(Protocol):
    """Receives the output of a program; an `asyncio.StreamReader` is one."""

    def feed_data(self, data: bytes, /) -> object:
        """Take the next bytes."""
        ...

    def feed_eof(self) -> object:
        """Record that the pipe is closed."""
        ...


class Subprocess:
    """A program that is started once.

    Args:
        sinks: Receivers of its outputs.

    Attributes:
        exited: Set once the program has exited and its exit status is collected.
        closed: Set once it has exited and its outputs are closed. Any process that inherited them
            can keep them open.
        outputs: Its outputs that have a sink.
    """

    def __init__(self, sinks: Mapping[int, Sink]) -> None:
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self.outputs: dict[int, OutputPipe] = {}
        self._sinks = sinks
        self._program: subprocess.Popen[bytes] | None = None
        self._input: _InputPipe | None = None

    @property
    def is_started(self) -> bool:
        """Whether the program has been started."""
        return self._program is not None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._program is not None
        return self._program.pid

    @property
    def status(self) -> int | None:
        """Exit status, negative for the signal that ended it; None while it runs."""
        assert self._program is not None
        return self._program.returncode

    async def start(self, popen: Callable[[], subprocess.Popen[bytes]]) -> None:
        """Start the program, and pass its outputs on to their sinks; never cancel this.

        Raises:
            OSError: It could not be started.
        """
        program, pidfd = await asyncio.to_thread(_watched, popen)
        self._program = program
        asyncio.get_running_loop().add_reader(pidfd, self._collect, program, pidfd)
        if program.stdin is not None:
            self._input = _InputPipe(program.stdin)
        for number, pipe in ((STDOUT, program.stdout), (STDERR, program.stderr)):
            if pipe is not None:
                sink = self._sinks[number]
                self.outputs[number] = OutputPipe(pipe, sink, self._close_if_done)
        for output in self.outputs.values():
            output.resume_reading()

    def write_input(self, data: bytes) -> None:
        """Write standard input and close it; a program that closed it first loses the rest."""
        assert self._input is not None
        self._input.write(data)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the program and to all that it started in its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def end(self) -> None:
        """Kill the process group unless all of it has ended, and release the pipes."""
        if not self.closed.is_set():
            self.signal_group(signal.SIGKILL)
            await self.exited.wait()
        # A process that left the session may hold the pipes open for as long as it likes.
        for pipe in (self._input, *self.outputs.values()):
            if pipe is not None:
                pipe.close()

    def _collect(self, program: subprocess.Popen[bytes], pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)
        program.wait()  # it has ended already
        self.exited.set()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.exited.is_set() and all(pipe.is_closed for pipe in self.outputs.values()):
            self.closed.set()


class _Pipe:
    """This program's end of a pipe.

    Args:
        file: The end, which this object closes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._fd = file.fileno()
        os.set_blocking(self._fd, False)
        self._loop = asyncio.get_running_loop()

    @property
    def is_closed(self) -> bool:
        """Whether this end is closed."""
        return self._file.closed

    def close(self) -> None:
        """Close this end."""
        if not self.is_closed:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._file.close()


class OutputPipe(_Pipe):
    """An output of a program, which is passed on to a sink as it comes; at first, reading pauses.

    Args:
        file: The end of the pipe to read.
        sink: Receives the output.
        closed: Called when it is closed.
    """

    def __init__(self, file: IO[bytes], sink: Sink, closed: Callable[[], object]) -> None:
        super().__init__(file)
        self._sink = sink
        self._closed = closed

    def pause_reading(self) -> None:
        """Leave further output in the pipe: the program waits when it is full."""
        self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Read on."""
        if not self.is_closed:
            self._loop.add_reader(self._fd, self._read)

    def close(self) -> None:
        """Close the pipe; the sink gets no more."""
        if not self.is_closed:
            super().close()
            self._sink.feed_eof()
            self._closed()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._sink.feed_data(data)
        else:
            self.close()


class _InputPipe(_Pipe):
    """The standard input of a program."""

    def write(self, data: bytes) -> None:
        """Write all of this as the program reads it, then close the pipe."""
        self._rest = memoryview(data)
        self._loop.add_writer(self._fd, self._write)

    def _write(self) -> None:
        try:
            self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the program reads no more
            self._rest = self._rest[:0]
        if not self._rest:
            self.close()


@asynccontextmanager
async def started(
    argv: Sequence[str],
    sinks: Mapping[int, Sink],
    *,
    stdin: int = subprocess.DEVNULL,
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
    piped = dict.fromkeys(sinks, subprocess.PIPE)

    def popen() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            bufsize=0,
            stdin=stdin,
            stdout=piped.get(STDOUT, subprocess.DEVNULL) if stdout is None else stdout,
            stderr=piped.get(STDERR, subprocess.DEVNULL),
            env=env,
            cwd=directory,
            start_new_session=True,
        )

    process = Subprocess(sinks)
    try:
        # A start that is cancelled halfway would leave an uncollected process.
        await shield_until_done(process.start(popen))
        yield process
    finally:
        if process.is_started:
            await shield_until_done(process.end())


def _watched(popen: Callable[[], subprocess.Popen[bytes]]) -> tuple[subprocess.Popen[bytes], int]:
    """Start a program and return it with its process file descriptor."""
    program = popen()
    try:
        return program, os.pidfd_open(program.pid)
    except OSError:
        with program:  # closes its pipes and collects it
            program.kill()
        raise


def limit_memory(pid: int, most: int) -> None:
    """Limit the address space of a program that has just been started, and of what it starts."""
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most `seconds`; return whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
