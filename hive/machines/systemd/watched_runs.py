"""Records of the runs that a daemon watches, by which the next one learns that one has ended.

A record is a file in the run directory, from the start or adoption of a run until its end is
reported. If it is there and its run is over, no daemon was watching when it ended. What systemd has
kept of it says why: the state of the unit, until the next run, and always the host's journal.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec
from attrs import asdict, field, frozen

from hive.errors import FailedError
from hive.exits import Ended
from hive.machines.agent_files import read_regular
from hive.machines.runtime import REASON_LINES
from hive.machines.systemd import exit_cause, generated_files
from hive.machines.systemd.container import Container
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.journal import Journal, JournalFilter, newest
from hive.machines.systemd.service_manager import ServiceManager
from hive.machines.systemd.unit_state import UnitState

_BYTES_MAX = 4096
"""Bytes that are read of a record, which has less than 200."""

_log = logging.getLogger(__name__)


@frozen
class WatchedRuns:
    """The records of this hive's containers.

    Attributes:
        places: Where they are.
        systemd: States of units.
        journal: What systemd has kept of runs.
    """

    places: Places
    systemd: ServiceManager
    journal: Journal
    _unwatched: dict[str, JournalFilter] = field(factory=dict, init=False)

    async def begin(self, container: Container, run: JournalFilter) -> None:
        """Record that a run is watched; one that was watched before it has ended unwatched.

        A record that cannot be written is missing: then the end is reported only if this daemon
        sees it.
        """
        path = self.places.run_record(container.machine)
        before = await asyncio.to_thread(_read, path)
        if before is not None and before != run:
            self._unwatched[container.machine] = before
        try:
            text = msgspec.json.encode(asdict(run)).decode()
            await asyncio.to_thread(generated_files.write, {path: text})
        except FailedError as error:
            _log.warning("%s", error)

    async def end(self, container: Container) -> None:
        """Record that the end of the watched run is reported.

        A record that cannot be removed stays: then the next daemon reports that end again.
        """
        path = self.places.run_record(container.machine)
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            _log.warning("the record of a run cannot be removed: %s", error)

    async def forget(self, container: Container) -> None:
        """Remove the record of a container, and what nspawn has said about it."""
        await self.end(container)
        await asyncio.to_thread(self.journal.clear, container.unit)

    async def unwatched_end(self, container: Container, now: float) -> Ended | None:
        """Return the end of the last run that ended unwatched, once; None if there is none.

        Args:
            container: The container.
            now: Wall time, for an end whose time nothing has kept.

        Raises:
            FailedError: The state of the unit is unknown.
        """
        run = self._unwatched.pop(container.machine, None)
        if run is not None:
            return await self._end_of(run, await self.systemd.unit_state(run.unit), now)
        if container.run is not None:
            return None
        run = await asyncio.to_thread(_read, self.places.run_record(container.machine))
        if run is None:
            return None
        unit = await self.systemd.unit_state(run.unit)
        if unit.invocation == run.invocation and not (unit.active.down and not unit.job):
            return None  # it runs
        ended = await self._end_of(run, unit, now)
        await self.end(container)
        return ended

    async def _end_of(self, run: JournalFilter, unit: UnitState, now: float) -> Ended:
        kept, at = await self.journal.kept_state(run)
        is_last = unit.invocation == run.invocation
        lines = await self.journal.run_of(run)
        return end_of(unit if is_last else kept, lines, at or now)


def end_of(unit: UnitState, lines: tuple[str, ...], at: float) -> Ended:
    """Return the end of a run.

    Args:
        unit: State of its unit, which is down.
        lines: The last lines of that run and of systemd about it, oldest first.
        at: Wall time in seconds of the end.
    """
    return Ended(
        exit_cause.cause_of(unit, lines),
        at,
        newest(lines, REASON_LINES),
        exit_cause.result_of(unit, lines),
    )


def _read(path: Path) -> JournalFilter | None:
    """Return a recorded run; None if there is none, or its record is damaged."""
    try:
        return msgspec.json.decode(read_regular(path, _BYTES_MAX), type=JournalFilter)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        _log.warning("the record %s of a run cannot be read: %s", path, error)
        return None
