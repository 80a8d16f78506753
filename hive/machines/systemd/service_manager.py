"""Queries and requests to systemd and machined, each with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from attrs import define

from hive.errors import FailedError
from hive.machines.systemd import unit_state
from hive.machines.systemd.event_source import NoAnswerError, StateQueries
from hive.machines.systemd.unit_state import UNIT_PROPERTIES, ContainerState, UnitState
from hive.subprocesses import Outcome, RunCommand, run_command

ANSWER_SECONDS = 10.0
"""Deadline in seconds for a query to systemd, machined or the journal."""

RELOAD_SECONDS = 60.0
"""Deadline in seconds for systemd to read its unit files again."""

_SHOW = f"--property={','.join(UNIT_PROPERTIES)}"


@define(eq=False)
class ServiceManager:
    """This machine's systemd and machined.

    Attributes:
        run: Runs `systemctl` and `machinectl`.
        queries: The D-Bus connection for states, if there is one; the programs are the fallback.
    """

    run: RunCommand = run_command
    queries: StateQueries | None = None

    async def unit_state(self, name: str) -> UnitState:
        """Return the state of a unit, which need not exist.

        Raises:
            FailedError: systemd gave no answer, or one that is not a unit state.
        """
        if self.queries is not None:
            with suppress(NoAnswerError):
                return await self.queries.unit_state(name)
        return (await self.unit_states([name]))[0]

    async def unit_states(self, names: Sequence[str]) -> tuple[UnitState, ...]:
        """Return the states of units; a name may be a pattern for loaded units.

        Raises:
            FailedError: systemd gave no answer, or one that is not a unit state.
        """
        show = ("systemctl", "show", _SHOW, "--", *names)
        outcome = checked(await self.run(show, deadline=ANSWER_SECONDS))
        units = unit_state.unit_states(outcome.out)
        if len(units) < len([name for name in names if "*" not in name]):
            raise FailedError(f"systemctl show left out units; its words: {outcome.out[:200]!r}")
        return units

    async def container_state(self, unit: str, machine: str) -> ContainerState:
        """Return the state of a container by both systemd and machined.

        Raises:
            FailedError: systemd gave no answer, or one that is not a unit state.
        """
        return ContainerState(*await asyncio.gather(self.unit_state(unit), self.leader(machine)))

    async def leader(self, machine: str) -> int | None:
        """Return the first process of a machine; None if machined has none of that name."""
        if self.queries is not None:
            with suppress(NoAnswerError):
                return await self.queries.leader(machine)
        show = ("machinectl", "show", "--property=Leader", "--property=State", "--", machine)
        shown = (await self.run(show, deadline=ANSWER_SECONDS)).out
        return unit_state.leader(unit_state.properties(shown))

    async def reload(self) -> None:
        """Make systemd read its unit files again.

        Raises:
            FailedError: The reload failed.
        """
        checked(await self.run(("systemctl", "daemon-reload"), deadline=RELOAD_SECONDS))

    async def forget_failure(self, unit: str) -> None:
        """Make systemd forget that a unit has failed, which it then unloads. Idempotent."""
        # Its exit status is that of a unit that is not loaded, too.
        await self.run(("systemctl", "reset-failed", "--", unit), deadline=ANSWER_SECONDS)

    async def cancel_start(self, unit: str, *, deadline: float) -> Outcome:
        """Replace the jobs of a unit by one that stops it, without waiting for that."""
        stop = ("systemctl", "stop", "--no-block", "--", unit)
        return await self.run(stop, deadline=deadline)

    async def kill(self, unit: str, *, deadline: float) -> Outcome:
        """Send SIGKILL to every process of a unit."""
        kill = ("systemctl", "kill", "--signal=KILL", "--", unit)
        return await self.run(kill, deadline=deadline)


def checked(outcome: Outcome) -> Outcome:
    """Return the outcome of a command that exited with status 0.

    Raises:
        FailedError: It did not; with its own words.
    """
    if not outcome.ok:
        raise FailedError(str(outcome))
    return outcome
