"""Seeing units of others, by `systemctl show` and the signals of systemd. Nothing here acts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from attrs import field, frozen

from hive.clock import Clock, SystemClock
from hive.errors import FailedError
from hive.machines.observing import Hint, Sight, units_of
from hive.machines.systemd.commands import Run
from hive.machines.systemd.commands import run as run_command
from hive.machines.systemd.hearing import Hearing
from hive.machines.systemd.host import ANSWER_SECONDS, checked
from hive.machines.systemd.views import properties

_PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "NRestarts"),
    "StateChangeTimestampMonotonic",
)
_SHOW = ("systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--")


@frozen
class SystemdObserver:
    """Sees the units of this machine's systemd.

    Attributes:
        clock: Wall time, which systemd's monotonic stamps are turned into.
        run: Runs `systemctl show`, and nothing else.
    """

    clock: Clock = field(factory=SystemClock)
    run: Run = run_command

    async def look(self, subject: str) -> Sight:
        """Return the state of a unit or of a machine's container.

        Raises:
            FailedError: systemd did not answer, or not in its words.
        """
        outcome = checked(await self.run((*_SHOW, *units_of(subject)), deadline=ANSWER_SECONDS))
        blocks = [properties(block) for block in outcome.out.split("\n\n") if block.strip()]
        if not blocks:
            raise FailedError(f"systemctl show says nothing about {subject}")
        return self._sight(max(blocks, key=_likelihood))

    async def listen(self, hint: Hint) -> None:
        """Call `hint` for each signal about a unit or a machine, until cancelled.

        Without D-Bus nothing is heard, and looking now and then has to do.
        """
        try:
            from hive.machines.systemd import bus
        except ImportError:
            await asyncio.get_running_loop().create_future()
        await bus.listen(hint, _ignore)

    def _sight(self, shown: Mapping[str, str]) -> Sight:
        try:
            usec = int(shown.get("StateChangeTimestampMonotonic") or 0)
            restarts = shown.get("NRestarts", "")
            return Sight(
                shown["Id"],
                _words(shown["LoadState"], shown["ActiveState"], shown["SubState"]),
                self.clock.now() - (time.monotonic() - usec / 1e6) if usec else None,
                int(restarts) if restarts.isdecimal() else None,
            )
        except (KeyError, ValueError) as error:
            raise FailedError(f"systemctl show printed what is no unit: {error}") from error


def _words(load: str, active: str, sub: str) -> str:
    return "not known to systemd" if load == "not-found" else f"{active} ({sub})"


def _likelihood(shown: Mapping[str, str]) -> tuple[bool, bool]:
    """Put one that runs before one that is only there; the first of equals wins."""
    return shown.get("ActiveState") == "active", shown.get("LoadState") == "loaded"


def _ignore(hearing: Hearing) -> None:
    """Whether it is heard or not, it is looked at now and then."""
