"""Machine specs: how a runtime makes the machine of an agent, from the agent's manifest."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

from hive.config import AgentManifest, Bind, driver_settings, manifest_from_json
from hive.machines.runtime import IN_MACHINE_PROPOSED, START_SECONDS, MachineSpec
from hive.names import MANAGER
from hive.participants.participant import Agent
from hive.paths import Paths

HarnessCommand = Callable[[str], tuple[str, ...]]
"""Returns the command that starts a harness; its argument is "agent" or "manager"."""

SpecOf = Callable[[Agent], MachineSpec]
"""Returns the machine spec of an agent; raises ConfigError for an invalid manifest."""

PROGRAMS = Path(sys.executable).parent
"""Directory of this installation's programs, such as `hive-ag3nt`."""


def local_harness(entry: str) -> tuple[str, ...]:
    """Return the command that starts the harness of this installation.

    With `-P` it imports nothing from its working directory, which is the agent's `cwd`: a
    repository with a `json.py`, or with a `hive` of its own.
    """
    return (sys.executable, "-P", "-m", "hive.harness", entry)


def container_harness(programs: Path | None) -> HarnessCommand:
    """Return the commands that start the harness that a container's image has.

    Args:
        programs: The directory inside that has it; with None, the systemd inside searches for it.
    """
    names = {"agent": "hive-ag3nt", "manager": "hive-m1nd"}

    def start(entry: str) -> tuple[str, ...]:
        return (str(programs / names[entry]) if programs else names[entry],)

    return start


@frozen
class MachineDefaults:
    """Settings that the machines of all agents of a hive share.

    Attributes:
        harness: The command that starts the harness inside.
        binds: Directories of the host that are visible in all machines.
    """

    harness: HarnessCommand = local_harness
    binds: tuple[Bind, ...] = ()


def inherited_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the daemon's environment that agents inherit.

    The programs of hyperhive come first on PATH, so that an agent's program can call them. The
    variables that name the daemon's own directories are left out.
    """
    own = ("HYPERHIVE_", "HIVE_")
    kept = {name: value for name, value in environ.items() if not name.startswith(own)}
    return {**kept, "PATH": os.pathsep.join([str(PROGRAMS), environ.get("PATH", os.defpath)])}


def spec_of(paths: Paths, defaults: MachineDefaults) -> SpecOf:
    """Return the function that makes machine specs."""

    def spec(agent: Agent) -> MachineSpec:
        manifest = manifest_from_json(agent.record.manifest)
        state = paths.agent_state(agent.name)
        return MachineSpec(
            name=agent.name,
            command=command_of(agent.name, manifest, defaults.harness),
            environment={
                **manifest.env,
                **_driver_environment(manifest),
                "HIVE_NAME": agent.name,
                "HIVE_SOCKET": str(paths.agent_socket(agent.name)),
                "HIVE_STATE": str(state),
                "HIVE_STOP_TIMEOUT": str(manifest.stop_timeout),
                **({"HIVE_PROPOSED": str(paths.proposed_dir)} if agent.name == MANAGER else {}),
            },
            working_directory=manifest.cwd or state,
            socket_dir=paths.socket_dir(agent.name),
            state_dir=state,
            log_file=paths.agent_log(agent.name),
            binds=(*defaults.binds, *_repository_binds(agent, paths), *manifest.binds),
            stop_timeout=manifest.stop_timeout,
            memory_max=manifest.memory_max,
            cpu_quota=manifest.cpu_quota,
            tasks_max=manifest.tasks_max,
            origin=manifest.image or manifest.flake,
            created_at=agent.record.created_at,
            private_users=manifest.private_users,
            network=manifest.network,
            bridge=manifest.bridge,
            ports=manifest.ports,
            capabilities=manifest.capabilities,
            devices=manifest.devices,
            tmpfs=manifest.tmpfs,
            ephemeral=manifest.ephemeral,
            start_timeout=manifest.start_timeout or START_SECONDS,
            credentials=manifest.credentials,
        )

    return spec


def _repository_binds(agent: Agent, paths: Paths) -> tuple[Bind, ...]:
    """Return the binds of what the manager proposes, and of the files of an agent's commit."""
    binds = [Bind(paths.proposed_dir, IN_MACHINE_PROPOSED)] if agent.name == MANAGER else []
    if agent.record.applied is not None:
        files = paths.deployed(agent.name, agent.record.applied)
        binds.append(Bind(files, files, read_only=True))
    return tuple(binds)


def _driver_environment(manifest: AgentManifest) -> dict[str, str]:
    settings = driver_settings(manifest)
    return {} if settings is None else {"HIVE_DRIVER_SETTINGS": settings}


def command_of(name: str, manifest: AgentManifest, harness: HarnessCommand) -> tuple[str, ...]:
    """Return an agent's command: its own program, or the harness with the driver's program."""
    if manifest.exec is not None:
        return manifest.exec
    entry = "manager" if name == MANAGER else "agent"
    limit = f"{manifest.time_limit:g}"
    return (
        *(*harness(entry), "serve"),
        *("--driver", manifest.driver, "--time-limit", limit, "--", *(manifest.run or ())),
    )
