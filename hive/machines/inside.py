"""Paths and variables of an agent as they are inside its container. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from hive.base_directories import IN_CONTAINER_SOCKET
from hive.machines.runtime import IN_MACHINE_PROPOSED, MachineSpec

SEARCH_PATH = ":".join(
    (
        *("/run/wrappers/bin", "/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin"),
        *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
    )
)
"""Where programs are looked up inside: on NixOS, then in ordinary images. The systemd of NixOS
itself would look in its own package only, which has neither a shell nor git."""

_ENV = "/usr/bin/env"
"""Looks up a program by `PATH`. It has this path in NixOS, too."""

_PUBLIC = ("HIVE_NAME", "HIVE_SOCKET", "HIVE_STATE", "HIVE_PROPOSED")
"""Variables of an agent that are no secret: everybody on the host reads a command line."""


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


def search_path(spec: MachineSpec) -> str:
    """Return the `PATH` of an agent inside its container: that of its manifest, if it has one."""
    return spec.environment.get("PATH", SEARCH_PATH)


def public(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of an agent's variables that are no secret."""
    return {name: variables[name] for name in _PUBLIC if name in variables}


def public_inside(spec: MachineSpec) -> dict[str, str]:
    """Return the variables of a program that is started beside an agent in its container."""
    return {**public(environment(spec)), "PATH": search_path(spec)}


def looked_up(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command line, empty or not, whose program is looked up by its own `PATH`.

    The systemd inside looks up a program without a `/` by a path of its own.
    """
    is_path = not command or "/" in command[0]
    return tuple(command) if is_path else (_ENV, *command)
