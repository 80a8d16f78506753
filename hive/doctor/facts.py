"""What is so on this machine. Everything here blocks, and nothing here changes anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from attrs import field, frozen

from hive import paths
from hive.config import AgentManifest, HiveConfig, RuntimeName
from hive.doctor.orphans import DROP_IN, UNITS, Orphans, Where, look
from hive.doctor.programs import output, show
from hive.names import container_name

PROGRAMS = ("systemctl", "machinectl", "journalctl", "systemd-run", "systemd-nspawn")
BUS_SOCKET = Path("/run/dbus/system_bus_socket")
SERVICE = "hive-c0re.service"
SHELL_ACTION = "org.freedesktop.machine1.shell"
"""What polkit is asked before `machinectl shell` opens one; see org.freedesktop.machine1(5)."""


class Polkit(Enum):
    """What polkit says to this user's wish for a shell in a container."""

    NOT_ASKED = "root is never asked for"
    MISSING = "polkit is not installed"
    REFUSES = "polkit refuses"
    ALLOWS = "polkit allows"


@frozen(kw_only=True)
class Facts:
    """What was seen.

    Attributes:
        preserve: `RuntimeDirectoryPreserve=` of the daemon's service; None if it is none.
        missing_images: Images that hive.toml names and this machine does not have.
        without_origin: Agents without a container and without anything to make it of.
        orphans: What belongs to no agent.
        all_known: Whether the daemon has said which agents exist; else only hive.toml has.
        restarting: Units of agents that systemd would restart, with their `Restart=`.
    """

    runtime: RuntimeName = RuntimeName.PROCESS
    preserve: str | None = None
    booted: bool = True
    missing_programs: tuple[str, ...] = ()
    bus_library: bool = True
    bus_socket: bool = True
    root: bool = True
    missing_images: tuple[str, ...] = ()
    without_origin: tuple[str, ...] = ()
    polkit: Polkit = Polkit.NOT_ASKED
    orphans: Orphans = field(factory=Orphans)
    all_known: bool = True
    restarting: Mapping[str, str] = field(factory=dict)


def gather(config: HiveConfig, known: Collection[str] | None) -> Facts:
    """Look at this machine.

    Args:
        config: The hive that is to run here.
        known: All agents that exist, as the daemon says; None if it cannot be asked.
    """
    agents = {*config.all_agents(), *(known or ())}
    wanted = ("nixos-container",) if config.runtime is RuntimeName.NIXOS_CONTAINER else ()
    images = _missing_images(config)
    return Facts(
        runtime=config.runtime,
        preserve=_preserve(),
        booted=Path("/run/systemd/system").is_dir(),
        missing_programs=tuple(p for p in (*PROGRAMS, *wanted) if shutil.which(p) is None),
        bus_library=find_spec("dbus_fast") is not None,
        bus_socket=BUS_SOCKET.is_socket(),
        root=os.geteuid() == 0,
        missing_images=images,
        without_origin=_without_origin(config),
        polkit=_polkit(),
        orphans=look(Where(paths.find().run_dir), agents),
        all_known=known is not None,
        restarting=_restarting(config.runtime, agents),
    )


def _polkit() -> Polkit:
    if os.geteuid() == 0:
        return Polkit.NOT_ASKED
    if shutil.which("pkcheck") is None:
        return Polkit.MISSING
    asked = output("pkcheck", f"--action-id={SHELL_ACTION}", f"--process={os.getpid()}")
    return Polkit.REFUSES if asked is None else Polkit.ALLOWS


def _missing_images(config: HiveConfig) -> tuple[str, ...]:
    if config.runtime is not RuntimeName.MACHINECTL:
        return ()
    named = {config.containers.image, *(m.image for m in config.all_agents().values())} - {None}
    return tuple(sorted(str(image) for image in named if not _has_image(str(image))))


def _has_image(image: str) -> bool:
    if Path(image).is_absolute():
        return Path(image).exists()
    return output("machinectl", "show-image", "--property=Name", image) is not None


def _without_origin(config: HiveConfig) -> tuple[str, ...]:
    if config.runtime is RuntimeName.PROCESS or _origin_of(config, None):
        return ()
    return tuple(
        name
        for name, manifest in config.all_agents().items()
        if not _origin_of(config, manifest) and not _exists(config.runtime, container_name(name))
    )


def _origin_of(config: HiveConfig, manifest: AgentManifest | None) -> str | None:
    source = config.containers if manifest is None else manifest
    return source.image or source.flake


def _exists(runtime: RuntimeName, container: str) -> bool:
    if runtime is RuntimeName.NIXOS_CONTAINER:
        return Path("/etc/nixos-containers", f"{container}.conf").exists()
    return _has_image(container)


def _preserve() -> str | None:
    shown = show("LoadState,RuntimeDirectoryPreserve", [SERVICE])
    loaded = shown and shown[0].get("LoadState") == "loaded"
    return shown[0].get("RuntimeDirectoryPreserve") if loaded else None


def _restarting(runtime: RuntimeName, agents: Collection[str]) -> dict[str, str]:
    """Return which units that have our drop-in systemd would restart all the same."""
    if runtime is RuntimeName.PROCESS or not agents:
        return {}
    units = [UNITS[runtime].format(container_name(name)) for name in sorted(agents)]
    made = [unit for unit in units if Path("/run/systemd/system", f"{unit}.d", DROP_IN).exists()]
    shown = show("Id,Restart", made) if made else []
    return {unit["Id"]: unit["Restart"] for unit in shown if unit.get("Restart", "no") != "no"}
