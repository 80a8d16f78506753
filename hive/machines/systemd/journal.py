"""Output of containers, and systemd's messages about them, from the journal of the host.

The agent's unit prints to the container's console too, and that is the output of the container's
service. So the host's journal has everything, also after the container's own journal is gone.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

from attrs import field, frozen

from hive.machines.agent_files import read_regular
from hive.machines.systemd import exit_cause
from hive.machines.systemd.console_output import console_lines
from hive.machines.systemd.kept_state import KEPT_FIELDS, kept_state
from hive.machines.systemd.service_manager import ANSWER_SECONDS
from hive.machines.systemd.unit_state import UnitState
from hive.subprocesses import Outcome, RunCommand, run_command, stream_lines

_CONSOLE_LINES = 200
"""Number of additional lines to read, since a booting container prints some of its own."""

_SAID_BYTES = 64 * 1024
"""Bytes that are read of nspawn's own messages, which are a few lines in each run."""

_SHORT = 4096
"""Bytes of the longest line that is made printable on the loop's thread."""

_CURSOR = "-- cursor: "
"""Prefix of the last line of `--show-cursor`, where a later query can continue."""

_PLAIN = ("--quiet", "--no-pager", "--output=cat", "--all")


@frozen
class JournalFilter:
    """Selects the lines of one run of a service.

    Attributes:
        unit: Name of the service.
        invocation: InvocationID of the run.
        main_pid: Process id of its main process; 0 if unknown.
    """

    unit: str
    invocation: str
    main_pid: int

    def matches(self) -> tuple[str, ...]:
        """Return the matches for `journalctl`, joined by "or".

        journald looks a line's writer up when it receives the line. If the whole run has ended by
        then, it finds only the process id and the unit, but no InvocationID.
        """
        main = ("+", f"_SYSTEMD_UNIT={self.unit}", f"_PID={self.main_pid}")
        return (
            f"_SYSTEMD_INVOCATION_ID={self.invocation}",
            *("+", f"INVOCATION_ID={self.invocation}"),
            *(main if self.main_pid else ()),
        )


def filter_of(unit: UnitState) -> JournalFilter:
    """Return the filter for a unit's present run, or for its last."""
    return JournalFilter(unit.id, unit.invocation, unit.main_pid)


@frozen
class Journal:
    """The journal of the host, and what nspawn itself says.

    Attributes:
        run: Runs `journalctl`.
        nspawn_log: Returns the path of nspawn's own messages in a unit's last run.
    """

    run: RunCommand = run_command
    nspawn_log: Callable[[str], Path] = field(default=lambda unit: Path(os.devnull))

    def clear(self, unit: str) -> None:
        """Remove what nspawn has said in earlier runs of a unit. Blocks.

        Raises:
            OSError: It cannot be removed.
        """
        self.nspawn_log(unit).unlink(missing_ok=True)

    async def run_of(self, journal_filter: JournalFilter) -> tuple[str, ...]:
        """Return the last lines of a run that has ended: its own, systemd's about it, nspawn's.

        A failed query is a line that says why.
        """
        said = await asyncio.to_thread(_said, self.nspawn_log(journal_filter.unit))
        query = _query(_CONSOLE_LINES, ("--boot", *journal_filter.matches()))
        # A container whose first process was killed has printed no last words of the agent.
        lines = () if exit_cause.is_killed(said) else await self._lines(query)
        if not exit_cause.is_complete(lines):
            # Lines written before the sync are in the journal once it returns.
            await self.run(("journalctl", "--sync"), deadline=ANSWER_SECONDS)
            lines = await self._lines(query)
        return (*lines, *said)

    async def kept_state(self, run: JournalFilter) -> tuple[UnitState, float | None]:
        """Return the state in which a run ended, by systemd's messages, and the wall time of that.

        systemd itself forgets it at the next start, and at once after a clean end.
        """
        matches = ("--boot", f"--output-fields={','.join(KEPT_FIELDS)}")
        of_run = ("_PID=1", f"INVOCATION_ID={run.invocation}")
        query = ("journalctl", "--quiet", "--no-pager", "--output=json", *matches, *of_run)
        outcome = await self.run(query, deadline=ANSWER_SECONDS)
        return kept_state(run.unit, run.invocation, outcome.out if outcome.ok else "")

    async def _lines(self, query: Sequence[str]) -> tuple[str, ...]:
        # In a thread: the output may be a megabyte.
        return await asyncio.to_thread(_lines, await self.run(query, deadline=ANSWER_SECONDS))

    async def follow(
        self, unit: str, lines: int, *, since: float, agent: bool
    ) -> AsyncIterator[str]:
        """Yield the last lines of a container, then each new one, until it is closed.

        Args:
            unit: Name of the container's service.
            lines: Number of existing lines to begin with.
            since: Wall time in seconds of the first line.
            agent: Whether to yield only the agent's own new lines.
        """
        query = _query(lines + _CONSOLE_LINES, ("--show-cursor", *_of(unit, since)))
        printed, cursor = _cut_cursor(await self._lines(query))
        said = await asyncio.to_thread(_said, self.nspawn_log(unit))
        for line in newest((*printed, *said), lines):
            yield line
        async with aclosing(_new_lines(unit, cursor)) as new_lines:
            async for line in new_lines:
                shown = exit_cause.agent_line(line) if agent else line
                if shown is not None:
                    yield shown


async def _new_lines(unit: str, cursor: str | None) -> AsyncGenerator[str]:
    after = ("--since=now",) if cursor is None else (f"--after-cursor={cursor}",)
    query = ("journalctl", *_PLAIN, "--follow", "--no-tail", f"--unit={unit}", *after)
    async with aclosing(stream_lines(query)) as output:
        async for raw in output:
            is_long = len(raw) > _SHORT
            lines = await asyncio.to_thread(console_lines, raw) if is_long else console_lines(raw)
            for line in lines:
                yield line


def newest_now(unit: str, lines: int, *, since: float, nspawn_log: Path) -> tuple[str, ...]:
    """Return the last lines of a container, oldest first. Blocks: call it from a thread.

    Args:
        unit: Name of the container's service.
        lines: Most lines.
        since: Wall time in seconds of the first line.
        nspawn_log: Path of nspawn's own messages.
    """
    query = _query(lines + _CONSOLE_LINES, _of(unit, since))
    try:
        done = subprocess.run(query, capture_output=True, check=False, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return (f"the journal cannot be read: {error}",)
    return newest((*console_lines(done.stdout), *_said(nspawn_log)), lines)


def newest(lines: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the last displayed lines; see `exit_cause.displayed`."""
    return exit_cause.displayed(lines)[-count:] if count > 0 else ()


def _said(path: Path) -> list[str]:
    """Return the last messages of nspawn itself; none if it has not started."""
    with suppress(OSError):
        return console_lines(read_regular(path, _SAID_BYTES))
    return []


def _of(unit: str, since: float) -> tuple[str, str]:
    return f"--unit={unit}", f"--since=@{since:.6f}"


def _query(lines: int, matches: Sequence[str]) -> tuple[str, ...]:
    return ("journalctl", *_PLAIN, f"--lines={lines}", *matches)


def _cut_cursor(lines: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    if lines and lines[-1].startswith(_CURSOR):
        return lines[:-1], lines[-1].removeprefix(_CURSOR)
    return lines, None


def _lines(outcome: Outcome) -> tuple[str, ...]:
    if not outcome.ok:
        return (f"the journal cannot be read: {outcome}",)
    return tuple(console_lines(outcome.out.encode()))
