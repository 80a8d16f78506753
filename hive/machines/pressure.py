"""Pressure of this machine (PSI), and the gate that it closes.

The kernel measures in which part of the last ten seconds some task waited for memory, a processor
or a disk: "some avg10" of `/proc/pressure`, see https://docs.kernel.org/accounting/psi.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from pathlib import Path

from attrs import define, field

from hive.config.model import MachineProtection

RESOURCES = ("memory", "cpu", "io")
"""The resources with a pressure, by the names of their files."""

REOPEN = 0.75
"""Part of a limit below which a closed gate opens, so that it does not open and close in turns."""

Pressures = Mapping[str, float]
"""Percentages by resource; a resource that the kernel does not measure is missing."""

ReadPressures = Callable[[], Pressures]
"""Returns the present pressures. May block."""


def read_pressures(directory: Path = Path("/proc/pressure")) -> Pressures:
    """Return the present pressures; none where the kernel has no PSI. Blocks: use a thread."""
    found: dict[str, float] = {}
    for resource in RESOURCES:
        try:
            found[resource] = _some_avg10((directory / resource).read_text())
        except (OSError, ValueError, KeyError):
            continue  # not measured; or switched off, which is an error of the read
    return found


def _some_avg10(text: str) -> float:
    """Return the percentage of a file's line "some avg10=0.00 avg60=0.00 ..."."""
    for line in text.splitlines():
        kind, *averages = line.split()
        if kind == "some":
            return float(dict(each.split("=") for each in averages)["avg10"])
    raise ValueError("there is no line 'some'")


def limits_of(protection: MachineProtection) -> Pressures:
    """Return the limits by resource; a resource without a limit is missing."""
    limits = (protection.memory_pressure, protection.cpu_pressure, protection.io_pressure)
    return {name: limit for name, limit in zip(RESOURCES, limits, strict=True) if limit is not None}


class Gate(Enum):
    """State of the gate. OVERDUE is closed for so long that it lets one through at a time."""

    OPEN = auto()
    CLOSED = auto()
    OVERDUE = auto()


@define
class PressureGate:
    """Closes when a pressure is above its limit, and opens when all are well below theirs.

    Attributes:
        limits: Percentages by resource.
        wait: Seconds after which a closed gate is overdue.
        state: Its state.
        reason: Why it is closed, as text; None while it is open.
        closed_at: Time at which it closed.
    """

    limits: Pressures
    wait: float
    state: Gate = field(default=Gate.OPEN, init=False)
    reason: str | None = field(default=None, init=False)
    closed_at: float = field(default=0.0, init=False)

    def update(self, pressures: Pressures, now: float) -> bool:
        """Decide anew; return whether the state has changed.

        Args:
            pressures: The present pressures.
            now: A time in seconds that never goes backwards.
        """
        before = self.state
        part = 1.0 if before is Gate.OPEN else REOPEN
        above = [name for name in self.limits if _is_above(name, self.limits, pressures, part)]
        if not above:
            self.state, self.reason = Gate.OPEN, None
        elif before is Gate.OPEN:
            self.state, self.closed_at = Gate.CLOSED, now
            self.reason = _reason(above[0], pressures, self.limits)
        elif now - self.closed_at >= self.wait:
            self.state = Gate.OVERDUE
        return self.state is not before


def _is_above(name: str, limits: Pressures, pressures: Pressures, part: float) -> bool:
    return pressures.get(name, 0.0) > limits[name] * part


def _reason(name: str, pressures: Pressures, limits: Pressures) -> str:
    return (
        f"the machine is under pressure: tasks waited for {name} in {pressures[name]:.0f} % of "
        f"the last 10 s (limit {limits[name]:g} %, {name}_pressure in [machine])"
    )
