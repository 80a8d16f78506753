"""Output of containers, and systemd's messages about them, from the journal of the host.

The agent's unit prints to the container's console too, and that is the output of the container's
service. So the host's journal has everything, also after the container's own journal is gone.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from attrs import frozen

from hive.machines.output_log import clean_lines
from hive.machines.systemd import exit_cause
from hive.machines.systemd.service_manager import ANSWER_SECONDS
from hive.machines.systemd.unit_state import UnitState
from hive.subprocesses import Outcome, RunCommand, run_command, stream_lines

_CONSOLE_LINES = 200
"""Number of additional lines to read, since a booting container prints some of its own."""

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
    """The journal of the host.

    Attributes:
        run: Runs `journalctl`.
    """

    run: RunCommand = run_command

    async def run_of(self, journal_filter: JournalFilter) -> tuple[str, ...]:
        """Return the last lines of a run that has ended: its own and systemd's about it.

        A failed query is a line that says why.
        """
        query = _query(_CONSOLE_LINES, ("--boot", *journal_filter.matches()))
        lines = _lines(await self.run(query, deadline=ANSWER_SECONDS))
        if exit_cause.is_complete(lines):
            return lines
        # Lines written before the sync are in the journal once it returns.
        await self.run(("journalctl", "--sync"), deadline=ANSWER_SECONDS)
        return _lines(await self.run(query, deadline=ANSWER_SECONDS))

    async def follow(self, unit: str, lines: int, *, agent: bool) -> AsyncIterator[str]:
        """Yield the last lines of a container, then each new one, until it is closed.

        Args:
            unit: Name of the container's service.
            lines: Number of existing lines to begin with.
            agent: Whether to yield only the agent's own new lines.
        """
        query = _query(lines + _CONSOLE_LINES, ("--show-cursor", f"--unit={unit}"))
        printed, cursor = _cut_cursor(_lines(await self.run(query, deadline=ANSWER_SECONDS)))
        for line in newest(printed, lines):
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
            for line in clean_lines(raw):
                yield line


def newest_now(unit: str, lines: int) -> tuple[str, ...]:
    """Return the last lines of a container, oldest first. Blocks: call it from a thread."""
    query = _query(lines + _CONSOLE_LINES, (f"--unit={unit}",))
    try:
        done = subprocess.run(query, capture_output=True, check=False, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return (f"the journal cannot be read: {error}",)
    return newest(tuple(clean_lines(done.stdout)), lines)


def newest(lines: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the last displayed lines; see `exit_cause.displayed`."""
    return exit_cause.displayed(lines)[-count:] if count > 0 else ()


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
