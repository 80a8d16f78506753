"""The slice of all containers: what agents may use of this machine together. Pure.

It is a part of `machine.slice`, in which systemd puts containers anyway, so limits that an
administrator has set there apply as well; see systemd.slice(5), systemd.resource-control(5).
"""

from __future__ import annotations

from hive.config.model import MachineProtection
from hive.machines.runtime import MachineSpec

SLICE = "machine-hyperhive.slice"
"""Name of the slice. The dash makes it a part of `machine.slice`."""

OOM_SCORE = 500
"""`OOMScoreAdjust=` of containers: the kernel ends an agent before anything else of the host."""

LOG_SECONDS = 0.25
"""Interval in which a container may print its lines. What is above is missing until the interval
ends, so the last lines before an exit are missing for no longer."""


def slice_file(protection: MachineProtection) -> str:
    """Return the unit file of the slice."""
    return "\n".join(
        (
            "# Written by hive-c0re, and again before each start of a container.",
            *("[Unit]", "Description=All containers of hyperhive"),
            "[Slice]",
            f"MemoryHigh={protection.memory_high}",
            f"MemoryMax={protection.memory_max}",
            f"TasksMax={protection.tasks_max}",
            "",
        )
    )


def limit_lines(spec: MachineSpec, protection: MachineProtection) -> list[str]:
    """Return the lines of a container's drop-in that limit it and its output."""
    lines = [f"Slice={SLICE}", f"OOMScoreAdjust={OOM_SCORE}"]
    lines += [f"LogRateLimitIntervalSec={LOG_SECONDS * 1000:g}ms"]
    lines += [f"LogRateLimitBurst={max(1, round(protection.log_lines * LOG_SECONDS))}"]
    if spec.memory_max is not None:
        lines.append(f"MemoryMax={spec.memory_max}")
    if spec.cpu_quota is not None:
        lines.append(f"CPUQuota={spec.cpu_quota}")
    if spec.tasks_max is not None:
        lines.append(f"TasksMax={spec.tasks_max}")
    return lines
