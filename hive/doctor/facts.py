"""Facts about this machine, and what belongs to no agent. Blocking and read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from attrs import field, frozen

from hive import paths
from hive.config import AgentManifest, HiveConfig, RuntimeName
from hive.names import CONTAINER_PREFIX, MANAGER, container_name

PROGRAMS = ("systemctl", "machinectl", "journalctl", "systemd-run", "systemd-nspawn")
BUS_SOCKET = Path("/run/dbus/system_bus_socket")
SERVICE = "hive-c0re.service"
SHELL_ACTION = "org.freedesktop.machine1.shell"
"""What polkit is asked before `machinectl shell` opens one; see org.freedesktop.machine1(5)."""

DROP_IN = "50-hyperhive.conf"
"""The name of the drop-ins that the container runtimes write."""

UNITS = {
    RuntimeName.MACHINECTL: "systemd-nspawn@{}.service",
    RuntimeName.NIXOS_CONTAINER: "container@{}.service",
}
"""The unit of a container under each runtime."""

_SECONDS = 10.0


@frozen
class Orphans:
    """What was found.

    Attributes:
        files: Generated files of containers that do not run.
        failed: Units that systemd remembers only because they failed.
        running: Units that are up.
        images: Containers that `machinectl` made.
        nixos: Containers that `nixos-container` made.
    """

    files: tuple[Path, ...] = ()
    failed: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    nixos: tuple[str, ...] = ()


@frozen
class Where:
    """Where it is looked.

    Attributes:
        run_dir: The hive's run directory.
        systemd: systemd's run directory.
        images: The directory with machined's images.
        confs: The directory with the `.conf` files of NixOS containers.
    """

    run_dir: Path
    systemd: Path = field(default=Path("/run/systemd"))
    images: Path = field(default=Path("/var/lib/machines"))
    confs: Path = field(default=Path("/etc/nixos-containers"))


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


def look(where: Where, agents: Collection[str]) -> Orphans:
    """Return what is left of agents that do not exist.

    The files of a container that runs are no leftovers, whoever it belongs to.
    """
    owned = {container_name(name) for name in agents}
    units = dict(_units(owned))
    return Orphans(
        files=files(where, agents),
        failed=tuple(sorted(unit for unit, state in units.items() if state == "failed")),
        running=tuple(sorted(u for u, state in units.items() if state in {"active", "activating"})),
        images=tuple(_named(where.images.glob(f"{CONTAINER_PREFIX}*"), owned)),
        nixos=tuple(_named(where.confs.glob(f"{CONTAINER_PREFIX}*.conf"), owned)),
    )


def files(where: Where, agents: Collection[str]) -> tuple[Path, ...]:
    """Return the generated files that belong to no agent and to no container that runs."""
    kept = {container_name(name) for name in agents}
    kept |= {path.name for path in where.systemd.glob("machines/*")}
    return tuple(sorted(path for path, container in _generated(where) if container not in kept))


def _polkit() -> Polkit:
    if os.geteuid() == 0:
        return Polkit.NOT_ASKED
    if shutil.which("pkcheck") is None:
        return Polkit.MISSING
    asked = _output("pkcheck", f"--action-id={SHELL_ACTION}", f"--process={os.getpid()}")
    return Polkit.REFUSES if asked is None else Polkit.ALLOWS


def _missing_images(config: HiveConfig) -> tuple[str, ...]:
    if config.runtime is not RuntimeName.MACHINECTL:
        return ()
    named = {config.containers.image, *(m.image for m in config.all_agents().values())} - {None}
    return tuple(sorted(str(image) for image in named if not _has_image(str(image))))


def _has_image(image: str) -> bool:
    if Path(image).is_absolute():
        return Path(image).exists()
    return _output("machinectl", "show-image", "--property=Name", image) is not None


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
    units = [UNITS[runtime].format(container_name(name)) for name in sorted(agents)]
    made = [unit for unit in units if Path("/run/systemd/system", f"{unit}.d", DROP_IN).exists()]
    shown = _show("Id,Restart", made) if made else []
    return {unit["Id"]: unit["Restart"] for unit in shown if unit.get("Restart", "no") != "no"}


def _generated(where: Where) -> Iterator[tuple[Path, str]]:
    """Yield each generated file with its container."""
    for path in where.systemd.glob(f"system/*@*.service.d/{DROP_IN}"):
        yield path, path.parent.name.partition("@")[2].removesuffix(".service.d")
    for path in where.systemd.glob(f"nspawn/{CONTAINER_PREFIX}*.nspawn"):
        yield path, path.stem
    for directory in (where.run_dir / "machines").glob("*"):
        yield from ((path, directory.name) for path in directory.rglob("*") if path.is_file())


def _units(owned: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the units of containers that are called like ours, with their states."""
    names = (f"{CONTAINER_PREFIX}*", MANAGER)
    patterns = [unit.format(name) for unit in UNITS.values() for name in names]
    for unit in _show("Id,ActiveState", patterns):
        container = unit.get("Id", "").partition("@")[2].removesuffix(".service")
        if container and container not in owned:
            yield unit["Id"], unit.get("ActiveState", "")


def _named(paths: Iterator[Path], owned: Collection[str]) -> Iterator[str]:
    """Yield the containers of paths that are nobody's; what is a link is declared by the host."""
    for path in sorted(paths):
        name = path.name.removesuffix(".conf")
        if name not in owned and not path.is_symlink():
            yield name


def _output(*argv: str) -> str | None:
    """Return what a program prints; None if it cannot say."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _show(keys: str, units: Sequence[str]) -> list[dict[str, str]]:
    """Return the properties of units, one mapping each; none if systemd does not answer."""
    printed = _output("systemctl", "show", f"--property={keys}", "--", *units)
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in (printed or "").split("\n\n")
        if block.strip()
    ]
