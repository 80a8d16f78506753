"""What machines use of memory and processors, as the kernel counts it. Reads, changes nothing.

A container is a control group (version 2): `memory.current` and `cpu.stat`, see cgroup-v2.rst of
the kernel. What its processes have read from files is part of its memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

CONTROL_GROUPS = Path("/sys/fs/cgroup")
"""Mount point of the control groups."""

PROCESSES = Path("/proc")
"""Mount point of the process table."""


@frozen
class ResourceUse:
    """What a machine uses.

    Attributes:
        memory: Bytes; None if they are not counted.
        cpu_seconds: Processor time since its start, in seconds; None if it is not counted.
    """

    memory: int | None
    cpu_seconds: float | None


def of_control_group(path: str, mount: Path = CONTROL_GROUPS) -> ResourceUse | None:
    """Return what a control group uses; None if there is none. Blocks.

    Args:
        path: Its path as systemd's `ControlGroup` has it, with a slash first.
        mount: Mount point of the control groups.
    """
    directory = mount / path.removeprefix("/")
    try:
        counted = dict(line.split() for line in (directory / "cpu.stat").read_text().splitlines())
        cpu = int(counted["usage_usec"]) / 1e6
    except (OSError, ValueError, KeyError):
        return None
    try:
        memory = int((directory / "memory.current").read_text())
    except (OSError, ValueError):  # its controller is off
        return ResourceUse(None, cpu)
    return ResourceUse(memory, cpu)


def of_containers(
    units: Mapping[str, tuple[str, int]],
    *,
    proc: Path = PROCESSES,
    mount: Path = CONTROL_GROUPS,
) -> dict[str, ResourceUse]:
    """Return what containers use, by agent; one that cannot be read is missing. Blocks.

    Args:
        units: The unit of each container, and the process id of its leader.
        proc: Mount point of the process table.
        mount: Mount point of the control groups.
    """
    found = {}
    for name, (unit, leader) in units.items():
        try:
            text = (proc / str(leader) / "cgroup").read_text()
        except OSError:
            continue
        path = control_group_of(text, unit)
        use = None if path is None else of_control_group(path, mount)
        if use is not None:
            found[name] = use
    return found


def control_group_of(text: str, unit: str) -> str | None:
    """Return the control group of a unit, from /proc/PID/cgroup of a process below it.

    None if the process is not in the unit: its pid may be another process's by now.
    """
    for line in text.splitlines():
        number, _, path = line.partition("::")
        parts = path.split("/")
        if number == "0" and unit in parts:
            return "/".join(parts[: parts.index(unit) + 1])
    return None
