"""The costs of commands, and their report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from attrs import define, field

EMPTY = "python -c pass"
"""Name of the command to which all others are compared."""


@define
class Costs:
    """Milliseconds of the runs of one command."""

    cpu: list[float] = field(factory=list)
    wall: list[float] = field(factory=list)

    def medians(self) -> tuple[float, float]:
        """Return processor time and elapsed time."""
        return statistics.median(self.cpu), statistics.median(self.wall)


def report(costs: Mapping[str, Costs]) -> str:
    """Return the figures for people: medians, and their ratios to those of the empty Python."""
    empty_cpu, empty_wall = costs[EMPTY].medians()
    lines = []
    for name, found in costs.items():
        cpu, wall = found.medians()
        lines.append(
            f"{name:<26}cpu {cpu:6.1f} ms {cpu / empty_cpu:5.2f}x   "
            f"wall {wall:6.1f} ms {wall / empty_wall:5.2f}x"
        )
    return "\n".join(lines)
