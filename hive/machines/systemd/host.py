"""Asking systemd and machined: each answer is theirs, each question has a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from attrs import define

from hive.errors import FailedError
from hive.machines.systemd import views
from hive.machines.systemd.commands import Outcome, Run
from hive.machines.systemd.commands import run as run_command
from hive.machines.systemd.hearing import Line, NoAnswerError
from hive.machines.systemd.views import UNIT_PROPERTIES, Unit, View

ANSWER_SECONDS = 10.0
"""How long systemd may take to show a state."""

RELOAD_SECONDS = 60.0
"""How long systemd may take to read its units again."""

_SHOW = f"--property={','.join(UNIT_PROPERTIES)}"


@define(eq=False)
class Host:
    """This machine's systemd and machined.

    Attributes:
        run: Runs `systemctl` and `machinectl`.
        line: Where the state of one container is asked for, if there is a connection; without an
            answer there, the programs are asked.
    """

    run: Run = run_command
    line: Line | None = None

    async def unit(self, name: str) -> Unit:
        """Return the state of a unit, which need not exist.

        Raises:
            FailedError: systemd did not answer, or not in its words.
        """
        if self.line is not None:
            with suppress(NoAnswerError):
                return await self.line.unit(name)
        return (await self.units([name]))[0]

    async def units(self, names: Sequence[str]) -> tuple[Unit, ...]:
        """Return the states of units, which may be patterns for those that are loaded.

        Raises:
            FailedError: systemd did not answer, or not in its words.
        """
        return _units(await self._show(names), names)

    async def view(self, unit: str, container: str) -> View:
        """Return a container as systemd and machined tell it.

        Raises:
            FailedError: systemd did not answer, or not in its words.
        """
        return View(*await asyncio.gather(self.unit(unit), self.leader(container)))

    async def leader(self, container: str) -> int | None:
        """Return the first process of a machine; None if machined knows none of that name."""
        if self.line is not None:
            with suppress(NoAnswerError):
                return await self.line.leader(container)
        show = ("machinectl", "show", "--property=Leader", "--property=State", "--", container)
        return views.leader(views.properties((await self.run(show, deadline=ANSWER_SECONDS)).out))

    async def reload(self) -> None:
        """Have systemd read its unit files again.

        Raises:
            FailedError: It could not.
        """
        checked(await self.run(("systemctl", "daemon-reload"), deadline=RELOAD_SECONDS))

    async def kill(self, unit: str, *, deadline: float) -> Outcome:
        """Send SIGKILL to every process of a unit."""
        kill = ("systemctl", "kill", "--signal=KILL", "--", unit)
        return await self.run(kill, deadline=deadline)

    async def _show(self, names: Sequence[str]) -> Outcome:
        return await self.run(("systemctl", "show", _SHOW, "--", *names), deadline=ANSWER_SECONDS)


def checked(outcome: Outcome) -> Outcome:
    """Return the outcome of a command that said that all is well.

    Raises:
        FailedError: It did not; with its own words.
    """
    if not outcome.ok:
        raise FailedError(str(outcome))
    return outcome


def _units(outcome: Outcome, names: Sequence[str]) -> tuple[Unit, ...]:
    units = views.units(checked(outcome).out)
    if len(units) < len([name for name in names if "*" not in name]):
        raise FailedError(f"systemctl show left out units; its words: {outcome.out[:200]!r}")
    return units
