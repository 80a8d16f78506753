"""Running other programs, each with a deadline, without ever blocking the loop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
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

    async def __call__(self, argv: Sequence[str], *, deadline: float) -> Outcome:
        """Return what became of it. If this is cancelled, the program is killed."""
        ...


async def run(argv: Sequence[str], *, deadline: float) -> Outcome:
    """Run a program in a session of its own, without input, in plain English; see `Run`."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=os.environ | _PLAIN,
        )
    except OSError as error:
        return Outcome(
            tuple(argv), NO_PROGRAM, "", f"{error}; is it installed and on PATH?", deadline
        )
    out, err = bytearray(), bytearray()
    status: int | None = None
    try:
        async with asyncio.timeout(deadline):
            await asyncio.gather(_keep(process.stdout, out), _keep(process.stderr, err))
            status = await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            await asyncio.shield(end(process))
    return Outcome(tuple(argv), status, _text(out), _text(err), deadline)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a program that `run` or the journal's follower started, with all of its session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _keep(stream: asyncio.StreamReader | None, kept: bytearray) -> None:
    assert stream is not None
    while chunk := await stream.read(65536):
        kept += chunk[: OUTPUT_BYTES - len(kept)]


def _text(kept: bytearray) -> str:
    return kept.decode(errors="replace")
