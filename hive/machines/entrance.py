"""Where an operator finds an agent: its surroundings, to run a program in, and its output. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from hive.errors import NotAllowedError
from hive.machines.inside import guest_directory, looked_up, public, public_inside
from hive.machines.runtime import MachineSpec
from hive.names import container_name

CONTAINERS = frozenset({"machinectl", "nixos-container"})
"""Runtimes whose machines are containers with a systemd inside."""

FUNCTION = "function"
"""The runtime whose agents are functions of this program."""

SERVE = "serve"
"""The verb of a harness; what comes before it in a command is the harness's program."""


@frozen
class Entrance:
    """Where a program has to be started.

    Attributes:
        machine: Name of the container; None for a process of this machine.
        directory: Working directory, as its path is inside.
        variables: Variables of the agent that are no secret, as they are inside.
        program: The command of the harness without its arguments; empty without a harness.
    """

    machine: str | None
    directory: str
    variables: Mapping[str, str]
    program: tuple[str, ...]


def entrance_of(runtime: str, spec: MachineSpec) -> Entrance:
    """Return the entrance to an agent.

    Args:
        runtime: Name of its runtime.
        spec: Its machine.

    Raises:
        NotAllowedError: It has no process and no container of its own.
    """
    if runtime == FUNCTION:
        raise NotAllowedError(
            f"{spec.name!r} is a function of the program that embeds this hive, so there is "
            "nothing to enter"
        )
    program = _harness_program(spec.command)
    if runtime in CONTAINERS:
        machine, directory = container_name(spec.name), str(guest_directory(spec))
        return Entrance(machine, directory, public_inside(spec), looked_up(program))
    directory = str(spec.working_directory or spec.state_dir)
    return Entrance(None, directory, public(spec.environment), program)


def log_of(runtime: str, name: str, log_file: Path) -> str | None:
    """Return where the output of an agent is: a path, or a command line; None if only in memory.

    Args:
        runtime: Name of its runtime.
        name: The agent.
        log_file: The file of its output, if it is a process.
    """
    if runtime == FUNCTION:
        return None
    if runtime not in CONTAINERS:
        return str(log_file)
    template = "systemd-nspawn" if runtime == "machinectl" else "container"
    return f"journalctl -u {template}@{container_name(name)}.service"


def _harness_program(command: tuple[str, ...]) -> tuple[str, ...]:
    return command[: command.index(SERVE)] if SERVE in command else ()
