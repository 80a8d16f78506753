"""The output of agents' containers, from the journal of the host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from attrs import frozen

from hive.machines.runtime import MachineSpec
from hive.machines.systemd.journal import Journal, newest_now
from hive.machines.systemd.timed_journal import newest_timed
from hive.machines.timed_output import LinesWanted, TimedLines


@frozen
class ContainerOutput:
    """Reads what agents in containers print.

    Attributes:
        journal: The journal of the host.
        unit_of: Returns the service of an agent's container.
    """

    journal: Journal
    unit_of: Callable[[str], str]

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the last lines of the agent's output, oldest first. Blocks."""
        unit = self.unit_of(spec.name)
        said = self.journal.nspawn_log(unit)
        return newest_now(unit, lines, since=spec.created_at, nspawn_log=said)

    def timed_lines(self, spec: MachineSpec, wanted: LinesWanted) -> TimedLines:
        """Return lines with the times at which the journal received them. Blocks.

        What nspawn itself says at the end of a container has no times, and is left out.

        Raises:
            FailedError: The journal cannot be read.
        """
        unit, agent = self.unit_of(spec.name), bool(spec.command)
        return newest_timed(unit, wanted, since=spec.created_at, agent=agent)

    def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the last lines of the agent's output, then each new one."""
        unit, agent = self.unit_of(spec.name), bool(spec.command)
        return self.journal.follow(unit, lines, since=spec.created_at, agent=agent)
