"""The command line that runs a probe inside a container. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hive.machines.inside import guest_directory, looked_up, public_inside
from hive.machines.runtime import MachineSpec

PROBE_GRACE = 5.0
"""Seconds beyond its deadline after which `systemd-run` itself is killed: the systemd inside ends
the probe, and all that it started, at the deadline."""


def probe_command(
    machine: str, spec: MachineSpec, command: Sequence[str], deadline: float
) -> tuple[str, ...]:
    """Return the command line that runs a probe as a transient unit inside a container.

    Args:
        machine: The container.
        spec: The agent, whose working directory and `PATH` the probe has, and the variables that
            name its socket and directories.
        command: The probe.
        deadline: Seconds after which the systemd inside ends it.
    """
    return (
        *("systemd-run", f"--machine={machine}", "--wait", "--pipe", "--quiet", "--collect"),
        f"--property=RuntimeMaxSec={deadline:g}",
        *_properties(spec),
        "--",
        *looked_up(command),
    )


def _properties(spec: MachineSpec) -> Iterator[str]:
    yield f"--working-directory={guest_directory(spec)}"
    yield from (f"--setenv={name}={value}" for name, value in public_inside(spec).items())
