"""Paths and variables of an agent as they are inside its container. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath

from hive.base_directories import IN_CONTAINER_SOCKET
from hive.machines.runtime import IN_MACHINE_PROPOSED, MachineSpec


def inner_state(name: str) -> PurePosixPath:
    """Return the directory of an agent's own files inside its container."""
    return PurePosixPath("/agents", name, "state")


def environment(spec: MachineSpec) -> dict[str, str]:
    """Return the agent's variables, with paths as they are inside."""
    inside = {
        "HIVE_NAME": spec.name,
        "HIVE_SOCKET": IN_CONTAINER_SOCKET,
        "HIVE_STATE": str(inner_state(spec.name)),
        **(
            {"HIVE_PROPOSED": str(IN_MACHINE_PROPOSED)}
            if "HIVE_PROPOSED" in spec.environment
            else {}
        ),
    }
    return {**spec.environment, **inside}


def guest_directory(spec: MachineSpec) -> PurePosixPath:
    """Return the working directory of the agent, as its path is inside."""
    outside = spec.working_directory or spec.state_dir
    if outside.is_relative_to(spec.state_dir):
        return inner_state(spec.name) / outside.relative_to(spec.state_dir)
    return PurePosixPath(outside)
