"""From an agent's manifest to the machine that a runtime shall make."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

from hive.config import AgentManifest, Bind, driver_settings, manifest_from_json
from hive.machines.runtime import MachineSpec
from hive.names import MANAGER
from hive.participants.participant import Agent
from hive.paths import Paths

HarnessConnection = Callable[[str], tuple[str, ...]]
"""Returns how the harness is started: the argument is its entry, "agent" or "manager"."""

SpecOf = Callable[[Agent], MachineSpec]


PROGRAMS = Path(sys.executable).parent
"""Where this installation's programs are, `hive-ag3nt` among them."""


def harness_here(entry: str) -> tuple[str, ...]:
    """Return how the harness of this installation is started."""
    return (sys.executable, "-m", "hive.harness", entry)


def harness_inside(programs: Path | None) -> HarnessConnection:
    """Return how the harness of an image is started.

    Args:
        programs: The directory inside that has it; None has the systemd inside look for it.
    """
    names = {"agent": "hive-ag3nt", "manager": "hive-m1nd"}

    def start(entry: str) -> tuple[str, ...]:
        return (str(programs / names[entry]) if programs else names[entry],)

    return start


@frozen
class Inside:
    """What is the same for all agents of a hive where they run.

    Attributes:
        harness: How the harness is started there.
        binds: Directories of the host that all of them see.
    """

    harness: HarnessConnection = harness_here
    binds: tuple[Bind, ...] = ()


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what agents inherit from the daemon's environment.

    Our own programs come first on PATH, so that an agent's program can call them. What tells the
    daemon where its directories are is left out: agents have nothing to look for there.
    """
    ours = ("HYPERHIVE_", "HIVE_")
    kept = {name: value for name, value in environ.items() if not name.startswith(ours)}
    return {**kept, "PATH": os.pathsep.join([str(PROGRAMS), environ.get("PATH", os.defpath)])}


def spec_of(paths: Paths, inside: Inside) -> SpecOf:
    """Return the function that describes an agent's machine."""

    def describe(participant: Agent) -> MachineSpec:
        manifest = manifest_from_json(participant.record.manifest)
        state = paths.agent_state(participant.name)
        return MachineSpec(
            name=participant.name,
            command=command_of(participant.name, manifest, inside.harness),
            environment={
                **manifest.env,
                **_for_driver(manifest),
                "HIVE_NAME": participant.name,
                "HIVE_SOCKET": str(paths.agent_socket(participant.name)),
                "HIVE_STATE": str(state),
                "HIVE_STOP_TIMEOUT": str(manifest.stop_timeout),
            },
            working_directory=manifest.cwd or state,
            socket_dir=paths.socket_dir(participant.name),
            state_dir=state,
            log_file=paths.agent_log(participant.name),
            binds=(*inside.binds, *manifest.binds),
            stop_timeout=manifest.stop_timeout,
            memory_max=manifest.memory_max,
            cpu_quota=manifest.cpu_quota,
            origin=manifest.image or manifest.flake,
        )

    return describe


def _for_driver(manifest: AgentManifest) -> dict[str, str]:
    settings = driver_settings(manifest)
    return {} if settings is None else {"HIVE_DRIVER_SETTINGS": settings}


def command_of(name: str, manifest: AgentManifest, harness: HarnessConnection) -> tuple[str, ...]:
    """Return what runs as the agent: its own program, or the harness with the driver's program."""
    if manifest.exec is not None:
        return manifest.exec
    entry = "manager" if name == MANAGER else "agent"
    limit = f"{manifest.time_limit:g}"
    return (
        *(*harness(entry), "serve"),
        *("--driver", manifest.driver, "--time-limit", limit, "--", *(manifest.run or ())),
    )
