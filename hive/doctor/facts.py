"""What is so on this machine. Everything here blocks, and nothing here changes anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from attrs import field, frozen

from hive.config import AgentManifest, HiveConfig, RuntimeName
from hive.names import CONTAINER_PREFIX, container_name

PROGRAMS = ("systemctl", "machinectl", "journalctl", "systemd-run", "systemd-nspawn")
BUS_SOCKET = Path("/run/dbus/system_bus_socket")
SERVICE = "hive-c0re.service"
DROP_IN = "50-hyperhive.conf"
"""The name of the drop-ins that the container runtimes write."""

_SECONDS = 10.0
_UNITS = {
    RuntimeName.MACHINECTL: "systemd-nspawn@{}.service",
    RuntimeName.NIXOS_CONTAINER: "container@{}.service",
}


@frozen(kw_only=True)
class Facts:
    """What was seen.

    Attributes:
        preserve: `RuntimeDirectoryPreserve=` of the daemon's service; None if it is none.
        missing_images: Images that hive.toml names and this machine does not have.
        without_origin: Agents without a container and without anything to make it of.
        leftovers: Generated files of agents that do not exist.
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
    leftovers: tuple[Path, ...] = ()
    restarting: Mapping[str, str] = field(factory=dict)


def gather(config: HiveConfig, known: Collection[str]) -> Facts:
    """Look at this machine.

    Args:
        config: The hive that is to run here.
        known: Agents that exist though hive.toml does not name them.
    """
    agents = {*config.all_agents(), *known}
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
        leftovers=leftovers(Path("/run/systemd"), agents),
        restarting=_restarting(config.runtime, agents),
    )


def leftovers(systemd: Path, agents: Collection[str]) -> tuple[Path, ...]:
    """Return the generated files below systemd's run directory that belong to no agent.

    Those of a container that runs are none, whoever it belongs to: another hive may own it.
    """
    containers = {container_name(name) for name in agents}
    containers |= {path.name for path in systemd.glob("machines/*")}
    drop_ins = systemd.glob(f"system/*@*.service.d/{DROP_IN}")
    settings = systemd.glob(f"nspawn/{CONTAINER_PREFIX}*.nspawn")
    named = [
        *((path, _instance(path.parent.name)) for path in drop_ins),
        *((path, path.stem) for path in settings),
    ]
    return tuple(sorted(path for path, container in named if container not in containers))


def _instance(drop_ins: str) -> str:
    """Return the container of a directory such as `systemd-nspawn@h-alice.service.d`."""
    return drop_ins.partition("@")[2].removesuffix(".service.d")


def _missing_images(config: HiveConfig) -> tuple[str, ...]:
    if config.runtime is not RuntimeName.MACHINECTL:
        return ()
    named = {config.containers.image, *(m.image for m in config.all_agents().values())} - {None}
    return tuple(sorted(str(image) for image in named if not _has_image(str(image))))


def _has_image(image: str) -> bool:
    if Path(image).is_absolute():
        return Path(image).exists()
    return _run("machinectl", "show-image", "--property=Name", image) is not None


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
    shown = _show("LoadState,RuntimeDirectoryPreserve", [SERVICE])
    loaded = shown and shown[0].get("LoadState") == "loaded"
    return shown[0].get("RuntimeDirectoryPreserve") if loaded else None


def _restarting(runtime: RuntimeName, agents: Collection[str]) -> dict[str, str]:
    """Return which units that have our drop-in systemd would restart all the same."""
    if runtime is RuntimeName.PROCESS or not agents:
        return {}
    units = [_UNITS[runtime].format(container_name(name)) for name in sorted(agents)]
    made = [unit for unit in units if Path("/run/systemd/system", f"{unit}.d", DROP_IN).exists()]
    shown = _show("Id,Restart", made) if made else []
    return {unit["Id"]: unit["Restart"] for unit in shown if unit.get("Restart", "no") != "no"}


def _show(keys: str, units: Sequence[str]) -> list[dict[str, str]]:
    printed = _run("systemctl", "show", f"--property={keys}", "--", *units)
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in (printed or "").split("\n\n")
        if block.strip()
    ]


def _run(*argv: str) -> str | None:
    """Return what a program prints; None if it cannot say."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
