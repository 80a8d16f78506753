"""The command line that runs a probe inside a container. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hive.machines.inside import environment, guest_directory
from hive.machines.runtime import MachineSpec

PROBE_GRACE = 5.0
"""Seconds beyond its deadline after which `systemd-run` itself is killed: the systemd inside ends
the probe, and all that it started, at the deadline."""

PUBLIC = ("HIVE_NAME", "HIVE_SOCKET", "HIVE_STATE", "HIVE_PROPOSED")
"""Variables of the agent that a probe has."""


def probe_command(
    machine: str, spec: MachineSpec, command: Sequence[str], deadline: float
) -> tuple[str, ...]:
    """Return the command line that runs a probe as a transient unit inside a container.

    Args:
        machine: The container.
        spec: The agent, whose working directory the probe has. Of its variables it has those that
            name its socket and directories: others may be secret, and everybody on the host reads
            a command line.
        command: The probe.
        deadline: Seconds after which the systemd inside ends it.
    """
    return (
        *("systemd-run", f"--machine={machine}", "--wait", "--pipe", "--quiet", "--collect"),
        f"--property=RuntimeMaxSec={deadline:g}",
        *_properties(spec),
        "--",
        *command,
    )


def _properties(spec: MachineSpec) -> Iterator[str]:
    yield f"--working-directory={guest_directory(spec)}"
    inside = environment(spec)
    yield from (f"--setenv={name}={inside[name]}" for name in PUBLIC if name in inside)
