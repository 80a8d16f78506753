"""Processor time of other processes and of the whole machine, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pid: int) -> float:
    """Return the seconds of processor time of a process and of the children it waited for."""
    return sum(_fields(Path(f"/proc/{pid}/stat"))[11:15]) / TICKS


def loop_seconds(pid: int) -> float:
    """Return those of its first thread alone, which is the loop's."""
    return sum(_fields(Path(f"/proc/{pid}/task/{pid}/stat"))[11:13]) / TICKS


def busy_seconds() -> float:
    """Return the seconds for which the processors were busy since the boot, all together."""
    first = Path("/proc/stat").read_text().splitlines()[0]
    user, nice, system, _, _, interrupts, soft, stolen, *_ = map(int, first.split()[1:])
    return (user + nice + system + interrupts + soft + stolen) / TICKS


def _fields(stat: Path) -> list[int]:
    """Return the fields of a stat file from the state on, which is 0 here."""
    try:
        _, _, rest = stat.read_text().rpartition(")")  # the name may have spaces
    except OSError:  # it has ended
        return [0] * 15
    return [0, *map(int, rest.split()[1:])]
