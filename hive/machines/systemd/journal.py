"""What a container printed and what systemd noted about it, from the journal of the host.

The agent's unit prints to the container's console too, and that is the output of the container's
service. So the host's journal has everything, also after the container's own journal is gone.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence

from attrs import frozen

from hive.machines.output import clean_lines
from hive.machines.systemd import causes
from hive.machines.systemd.commands import Outcome, Run, kill
from hive.machines.systemd.commands import run as run_command
from hive.machines.systemd.views import Unit

ANSWER_SECONDS = 10.0
"""How long the journal may take to answer."""

REASON_LINES = 20
"""How many of the last lines are kept as part of the reason for an end."""

_CONSOLE_LINES = 200
"""How many more lines are read than wanted, since a booting container prints some of its own."""

_LONGEST = 256 * 1024
"""Bytes of the longest line that a follower takes."""

_CURSOR = "-- cursor: "
"""What `--show-cursor` prints before the place where a later query can go on."""

_PLAIN = ("--quiet", "--no-pager", "--output=cat", "--all")


@frozen
class Trace:
    """What the lines of one run of a service are found by.

    Attributes:
        unit: The service.
        invocation: The InvocationID of the run.
        main_pid: Its main process; 0 if that is not known.
    """

    unit: str
    invocation: str
    main_pid: int

    def matches(self) -> tuple[str, ...]:
        """Return the matches for `journalctl`: any of these.

        journald asks who wrote a line when it reads it. Of a process that has ended with its whole
        run by then, it knows the number and the unit, but no InvocationID any more.
        """
        main = ("+", f"_SYSTEMD_UNIT={self.unit}", f"_PID={self.main_pid}")
        return (
            f"_SYSTEMD_INVOCATION_ID={self.invocation}",
            *("+", f"INVOCATION_ID={self.invocation}"),
            *(main if self.main_pid else ()),
        )


def trace_of(unit: Unit) -> Trace:
    """Return the trace of a unit's present run, or of its last."""
    return Trace(unit.id, unit.invocation, unit.main_pid)


@frozen
class Journal:
    """The journal of the host.

    Attributes:
        run: Runs `journalctl`.
    """

    run: Run = run_command

    async def run_of(self, trace: Trace) -> tuple[str, ...]:
        """Return the last lines of a run that has ended: its own and systemd's about it.

        What cannot be read is a line that says why.
        """
        query = _query(_CONSOLE_LINES, ("--boot", *trace.matches()))
        lines = _lines(await self.run(query, deadline=ANSWER_SECONDS))
        if causes.is_told(lines):
            return lines
        # A line that was written before is in the journal when the sync has returned.
        await self.run(("journalctl", "--sync"), deadline=ANSWER_SECONDS)
        return _lines(await self.run(query, deadline=ANSWER_SECONDS))

    async def follow(self, unit: str, lines: int, *, agent: bool) -> AsyncIterator[str]:
        """Yield the newest lines of a container, then each new one, until it is closed.

        Args:
            unit: The container's service.
            lines: How many of those that are there already.
            agent: Whether new lines are those of the agent only.
        """
        query = _query(lines + _CONSOLE_LINES, ("--show-cursor", f"--unit={unit}"))
        printed, cursor = _cut_cursor(_lines(await self.run(query, deadline=ANSWER_SECONDS)))
        for line in newest(printed, lines):
            yield line
        async for line in _new_lines(unit, cursor):
            shown = causes.agent_line(line) if agent else line
            if shown is not None:
                yield shown

    async def newest(self, unit: str, lines: int) -> tuple[str, ...]:
        """Return the newest lines of a container, oldest first."""
        query = _query(lines + _CONSOLE_LINES, (f"--unit={unit}",))
        return newest(_lines(await self.run(query, deadline=ANSWER_SECONDS)), lines)


async def _new_lines(unit: str, cursor: str | None) -> AsyncIterator[str]:
    after = ("--since=now",) if cursor is None else (f"--after-cursor={cursor}",)
    process = await asyncio.create_subprocess_exec(
        *("journalctl", *_PLAIN, "--follow", "--no-tail", f"--unit={unit}", *after),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        limit=_LONGEST,
    )
    assert process.stdout is not None
    try:
        async for raw in process.stdout:
            for line in clean_lines(raw):
                yield line
    finally:
        kill(process.pid)
        await process.stdout.read()
        await process.wait()


def newest_now(unit: str, lines: int) -> tuple[str, ...]:
    """Return the newest lines of a container, oldest first. Blocks: call it from a thread."""
    query = _query(lines + _CONSOLE_LINES, (f"--unit={unit}",))
    try:
        done = subprocess.run(query, capture_output=True, check=False, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return (f"the journal cannot be read: {error}",)
    return newest(tuple(clean_lines(done.stdout)), lines)


def newest(lines: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the last lines worth showing."""
    return causes.show(lines)[-count:] if count > 0 else ()


def _query(lines: int, matches: Sequence[str]) -> tuple[str, ...]:
    return ("journalctl", *_PLAIN, f"--lines={lines}", *matches)


def _cut_cursor(lines: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    if lines and lines[-1].startswith(_CURSOR):
        return lines[:-1], lines[-1].removeprefix(_CURSOR)
    return lines, None


def _lines(outcome: Outcome) -> tuple[str, ...]:
    if not outcome.ok:
        return (f"the journal cannot be read: {outcome}",)
    return tuple(clean_lines(outcome.out.encode()))
