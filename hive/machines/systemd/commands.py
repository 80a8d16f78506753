"""Running other programs, each with a deadline, without ever blocking the loop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from attrs import frozen

OUTPUT_BYTES = 1024 * 1024
"""How much of what a program prints is kept; the rest is read and dropped."""

_WORDS = 500
"""Characters of a program's own words that are quoted in an error."""

_PLAIN = {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", "SYSTEMD_URLIFY": "0"}

NO_PROGRAM = 127
"""The status a shell gives when there is no such program."""


@frozen
class Outcome:
    """What became of a program.

    Attributes:
        argv: Its command line.
        status: Exit status, negative for the signal that ended it, None if it was still running at
            its deadline (and was killed).
        deadline: Seconds that it was given.
    """

    argv: tuple[str, ...]
    status: int | None
    out: str
    err: str
    deadline: float

    @property
    def ok(self) -> bool:
        """Whether it said that all is well, which is not proof that it is."""
        return self.status == 0

    def __str__(self) -> str:
        """Return one sentence: the program, what became of it, and its own words."""
        program = " ".join(self.argv[:3])
        words = (self.err.strip() or self.out.strip())[-_WORDS:]
        if self.status is None:
            end = f"did not end within {self.deadline:g} s"
        elif self.status < 0:
            end = f"was ended by signal {-self.status}"
        else:
            end = f"exited with status {self.status}"
        return f"`{program}` {end}" + (f": {words}" if words else "")


class Run(Protocol):
    """Runs a program to its end or deadline; never raises for what the program does."""

    async def __call__(
        self, argv: Sequence[str], *, deadline: float, directory: Path | None = None
    ) -> Outcome:
        """Return what became of it. If this is cancelled, the program is killed.

        Args:
            argv: Its command line.
            deadline: Seconds that it is given.
            directory: Where it works; by default, where this program does.
        """
        ...


async def run(argv: Sequence[str], *, deadline: float, directory: Path | None = None) -> Outcome:
    """Run a program in a session of its own, without input, in plain English; see `Run`."""
    given_up = asyncio.get_running_loop().create_future()
    # In a task of its own, since asyncio forgets what it was starting when that is cancelled.
    task = asyncio.create_task(_run(tuple(argv), deadline, directory, given_up))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        given_up.set_result(None)
        await asyncio.wait([task])
        raise


async def _run(
    argv: tuple[str, ...],
    deadline: float,
    directory: Path | None,
    given_up: asyncio.Future[None],
) -> Outcome:
    loop = asyncio.get_running_loop()
    done, exited = loop.create_future(), loop.create_future()
    try:
        transport, collector = await loop.subprocess_exec(
            lambda: _Collector(done, exited),
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            cwd=directory,
            env=os.environ | _PLAIN,
        )
    except OSError as error:
        words = f"{error}; is it installed and on PATH?"
        return Outcome(argv, NO_PROGRAM, "", words, deadline)
    waits = [done, given_up]
    await asyncio.wait(waits, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
    in_time = done.done()
    if not in_time:
        kill(transport.get_pid())
        await asyncio.wait([exited])  # closed before, it would be waited for twice
    transport.close()  # without it, somebody who left the session could hold the pipes open
    await asyncio.wait([done])
    status = transport.get_returncode() if in_time else None
    return Outcome(argv, status, _text(collector.out), _text(collector.err), deadline)


def kill(session: int) -> None:
    """Kill a program that leads a session, and all that it started in it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signal.SIGKILL)


class _Collector(asyncio.SubprocessProtocol):
    """Keeps what a program prints; tells when it has exited, and when its pipes are closed, too."""

    def __init__(self, done: asyncio.Future[None], exited: asyncio.Future[None]) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self._done = done
        self._exited = exited

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept = self.out if fd == 1 else self.err
        kept += data[: OUTPUT_BYTES - len(kept)]

    def process_exited(self) -> None:
        self._exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


def _text(kept: bytearray) -> str:
    return kept.decode(errors="replace")
