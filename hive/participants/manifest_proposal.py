"""The manifest that is proposed for a container that exists already. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from hive.base_directories import IN_CONTAINER_SOCKET
from hive.config.fitting import key_misfit
from hive.config.model import Bind, HiveConfig, RuntimeName
from hive.machines.found_container import FoundContainer
from hive.names import CLAUDE_DRIVER


@frozen
class AgentProgram:
    """What an agent runs, which no container says.

    Attributes:
        driver: The driver of its harness; None for the one that `run` needs.
        run: The program that is started for each message.
    """

    driver: str | None = None
    run: tuple[str, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether it says anything."""
        return self.driver is not None or bool(self.run)

    def values(self, description: str | None) -> dict[str, Any]:
        """Return the values of a manifest that say it; None where there is none."""
        return {
            "description": description,
            "driver": self.driver or (None if self.run else CLAUDE_DRIVER),
            "run": list(self.run) or None,
        }


@frozen
class ManifestProposal:
    """A proposed `agent.toml`.

    Attributes:
        text: The file.
        notes: What the container has and the file does not say, one sentence each.
        is_given: Whether it is the text of who asks, not of the hive or the container.
    """

    text: str
    notes: tuple[str, ...] = ()
    is_given: bool = False


def propose_manifest(
    found: FoundContainer, program: AgentProgram, description: str | None, config: HiveConfig
) -> ManifestProposal:
    """Return the manifest of an agent that is like a container.

    Args:
        found: The container.
        program: What the agent runs.
        description: One line for the operator.
        config: The hive; what its runtime cannot carry out is left out.
    """
    values = {
        **program.values(description),
        "stop_timeout": found.stop_timeout,
        "memory_max": None if found.memory_max is None else str(found.memory_max),
        "cpu_quota": None if found.cpu_quota is None else f"{found.cpu_quota:g}%",
        "tasks_max": found.tasks_max,
        **{key: value for key, value in _isolation(found).items() if _fits(key, value, config)},
    }
    lines = [f"# From {found.unit}, the container {found.machine}."]
    lines += [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    if found.restart_delay:
        cap = max(30.0, found.restart_delay)
        lines += ["", "[restart]", f"base = {_toml(found.restart_delay)}", f"cap = {_toml(cap)}"]
    for bind in _binds(found):
        lines += ["", "[[bind]]", f"source = {_toml(str(bind.source))}"]
        lines += [f"target = {_toml(str(bind.target))}"]
        lines += ["read_only = true"] if bind.read_only else []
    return ManifestProposal("\n".join([*lines, ""]), tuple(_notes(found, config)))


def new_manifest(
    name: str, program: AgentProgram, description: str | None, config: HiveConfig
) -> ManifestProposal:
    """Return the manifest of a peer without a container, as an agent that runs a program.

    Args:
        name: The peer.
        program: What the agent runs.
        description: One line for the operator.
        config: The hive, whose runtime starts it.
    """
    values = program.values(description)
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    if config.runtime is RuntimeName.PROCESS:
        note = "this hive has no containers, so it becomes a process of this machine, with its mail"
    else:
        note = (
            f"no container of this machine is found for {name!r}, so it gets a new one, with "
            "nothing of what the peer runs in now"
        )
    return ManifestProposal("\n".join([*lines, ""]), (note,))


def _isolation(found: FoundContainer) -> dict[str, Any]:
    return {
        "network": found.network,
        "bridge": found.bridge,
        "ports": list(found.ports) or None,
        "private_users": found.private_users,
        "capabilities": list(found.capabilities) or None,
        "tmpfs": list(found.tmpfs) or None,
        "ephemeral": found.ephemeral or None,
    }


def _fits(key: str, value: object, config: HiveConfig) -> bool:
    return key_misfit(key, value, config) is None


def _binds(found: FoundContainer) -> Iterator[Bind]:
    """Yield the binds but that of a socket of the hive: an agent gets its own."""
    socket = Path(IN_CONTAINER_SOCKET).parent
    yield from (bind for bind in found.binds if bind.target != socket)


def _notes(found: FoundContainer, config: HiveConfig) -> Iterator[str]:
    for words in found.unread:
        yield f"it has {words}, which agent.toml does not say"
    for key, value in _isolation(found).items():
        # What every agent of such a hive has anyway is no loss.
        if value and (why := key_misfit(key, value, config)) is not None:
            yield why
    for bind in _binds(found):
        if bind.source == Path("/"):
            yield "it can see the whole host: think about a narrower bind"
    if found.built_from is not None and config.runtime is RuntimeName.NIXOS_CONTAINER:
        yield _about_system(found.built_from, config.containers.flake)


def _about_system(built_from: str, flake: str | None) -> str:
    """Return what becomes of the system of a NixOS container that is adopted."""
    keeps = f"its system was built from {built_from}, and stays as it is until the first rebuild"
    if flake is None:
        return f"{keeps}, which builds that again; 'flake' in agent.toml names another"
    return f"{keeps}, which builds {flake}; 'flake' in agent.toml names another"


def _toml(value: Any) -> str:
    """Return a value in TOML, whose strings, numbers and arrays are also those of JSON."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
