"""Read-only access to units that the hive does not own: `systemctl show`, systemd's signals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from attrs import field, frozen

from hive.clock import Clock, SystemClock
from hive.errors import FailedError
from hive.machines.observer import ObservedState, OnChange, units_of
from hive.machines.systemd.service_manager import ANSWER_SECONDS, checked
from hive.machines.systemd.unit_state import properties
from hive.subprocesses import RunCommand, run_command

_PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "NRestarts"),
    *("StateChangeTimestampMonotonic", "ControlGroup"),
)
_SHOW = ("systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--")


@frozen
class SystemdObserver:
    """Reads the states of units of this machine's systemd.

    Attributes:
        clock: Wall time, to which systemd's monotonic timestamps are converted.
        run: Runs `systemctl show`, and nothing else.
    """

    clock: Clock = field(factory=SystemClock)
    run: RunCommand = run_command

    async def state_of(self, subject: str) -> ObservedState:
        """Return the state of a unit or of a machine's container.

        Raises:
            FailedError: systemd gave no answer, or one that is not a unit state.
        """
        outcome = checked(await self.run((*_SHOW, *units_of(subject)), deadline=ANSWER_SECONDS))
        blocks = [properties(block) for block in outcome.out.split("\n\n") if block.strip()]
        if not blocks:
            raise FailedError(f"systemctl show says nothing about {subject}")
        return self._state(max(blocks, key=_likelihood))

    async def listen(self, on_change: OnChange) -> None:
        """Call `on_change` for each signal about a unit or a machine, until cancelled.

        Without D-Bus there are no signals, and the caller's periodic reading has to suffice.
        """
        try:
            from hive.machines.systemd import dbus
        except ImportError:
            await asyncio.get_running_loop().create_future()
        await dbus.listen(on_change, lambda event_source: None)

    def _state(self, shown: Mapping[str, str]) -> ObservedState:
        try:
            usec = int(shown.get("StateChangeTimestampMonotonic") or 0)
            restarts = shown.get("NRestarts", "")
            return ObservedState(
                shown["Id"],
                _words(shown["LoadState"], shown["ActiveState"], shown["SubState"]),
                self.clock.now() - (time.monotonic() - usec / 1e6) if usec else None,
                int(restarts) if restarts.isdecimal() else None,
                control_group=shown.get("ControlGroup") or None,
            )
        except (KeyError, ValueError) as error:
            raise FailedError(
                f"systemd's answer is not a unit state ({type(error).__name__}: {error}); "
                "check with `systemctl show`"
            ) from error


def _words(load: str, active: str, sub: str) -> str:
    return "not known to systemd" if load == "not-found" else f"{active} ({sub})"


def _likelihood(shown: Mapping[str, str]) -> tuple[bool, bool]:
    """Rank a running unit above one that is only loaded; `max` returns the first of equals."""
    return shown.get("ActiveState") == "active", shown.get("LoadState") == "loaded"
