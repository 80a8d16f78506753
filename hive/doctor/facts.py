"""Facts about this machine, and the orphans on it. Blocking and read-only."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from attrs import field, frozen

from hive import paths
from hive.config import AgentManifest, HiveConfig, RuntimeName
from hive.disk_space import DiskShortage, disks_of, shortages
from hive.doctor.read_output import output
from hive.doctor.security_facts import SecurityFacts, gather_security
from hive.names import CONTAINER_PREFIX, MANAGER, container_name
from hive.restarters import (
    OWN_SETTINGS,
    SHOW,
    Restarter,
    Shown,
    by_id,
    find_restarters,
    named_units,
    read_text,
)

PROGRAMS = ("systemctl", "machinectl", "journalctl", "systemd-run", "systemd-nspawn")
BUS_SOCKET = Path("/run/dbus/system_bus_socket")
SERVICE = "hive-c0re.service"
SHELL_ACTION = "org.freedesktop.machine1.shell"
"""The polkit action of `machinectl shell`, see org.freedesktop.machine1(5)."""

SESSIONS = Path("/run/user")
"""The parent of the directories of users that logind makes and removes, see logind.conf(5)."""

LINGERING = Path("/var/lib/systemd/linger")
"""See loginctl(1), enable-linger."""

PRESSURE = Path("/proc/pressure/memory")
CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")
"""Controllers of version 2 that systemd has; see cgroups(7)."""

DROP_INS = ("zz-hyperhive.conf", "50-hyperhive.conf")
"""The names of the drop-ins that the container runtimes write, and have written before."""

UNITS = {
    RuntimeName.MACHINECTL: "systemd-nspawn@{}.service",
    RuntimeName.NIXOS_CONTAINER: "container@{}.service",
}
"""The unit of a container under each runtime."""


@frozen
class Orphans:
    """Files, units and containers that belong to no agent.

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
class Directories:
    """The directories that are searched for orphans.

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
    """The answer of polkit to a request of this user for a shell in a container."""

    NOT_ASKED = "root is never asked for"
    MISSING = "polkit is not installed"
    REFUSES = "polkit refuses"
    ALLOWS = "polkit allows"


@frozen(kw_only=True)
class Facts:
    """The facts that the checks need.

    Attributes:
        runtime: The runtime of the hive.
        preserve: `RuntimeDirectoryPreserve=` of the daemon's service; None if it is not a service.
        session_dir: The run directory, if logind removes it at the last logout of its user.
        booted: Whether systemd is the first process.
        missing_programs: Programs that containers need and that are not on PATH.
        bus_library: Whether the D-Bus library is installed.
        bus_socket: Whether there is a system bus.
        root: Whether this user is root.
        missing_images: Images that hive.toml names and this machine does not have.
        without_origin: Agents without a container and without an image or flake to make it of.
        polkit: Whether this user may open a shell in a container.
        orphans: Files, units and containers that belong to no agent.
        all_known: Whether the daemon has named all agents; otherwise only hive.toml has.
        restarters: What starts or restarts containers of agents beside the daemon.
        full_disks: The disks on which agents cannot start.
        measures_pressure: Whether the kernel measures pressure (PSI).
        missing_controllers: Controllers of control groups that limits need and systemd lacks.
        security: The facts about the isolation of agents.
    """

    runtime: RuntimeName = RuntimeName.PROCESS
    preserve: str | None = None
    session_dir: Path | None = None
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
    restarters: tuple[Restarter, ...] = ()
    full_disks: tuple[DiskShortage, ...] = ()
    measures_pressure: bool = True
    missing_controllers: tuple[str, ...] = ()
    security: SecurityFacts = field(factory=SecurityFacts)


def gather(config: HiveConfig, known: Collection[str] | None) -> Facts:
    """Return the facts about this machine.

    Args:
        config: The configuration of the hive.
        known: All agents, as the daemon lists them; None if it cannot be asked.
    """
    agents = {*config.all_agents(), *(known or ())}
    wanted = ("nixos-container",) if config.runtime is RuntimeName.NIXOS_CONTAINER else ()
    images = _missing_images(config)
    return Facts(
        runtime=config.runtime,
        preserve=_preserve(),
        session_dir=session_dir(paths.find().run_dir),
        booted=Path("/run/systemd/system").is_dir(),
        missing_programs=tuple(p for p in (*PROGRAMS, *wanted) if shutil.which(p) is None),
        bus_library=find_spec("dbus_fast") is not None,
        bus_socket=BUS_SOCKET.is_socket(),
        root=os.geteuid() == 0,
        missing_images=images,
        without_origin=_without_origin(config),
        polkit=_polkit(),
        orphans=find_orphans(Directories(paths.find().run_dir), agents),
        all_known=known is not None,
        restarters=_restarters(config.runtime, agents),
        full_disks=_full_disks(config),
        measures_pressure=PRESSURE.exists(),
        missing_controllers=_missing_controllers(CONTROLLERS),
        security=gather_security(config, agents, paths.find()),
    )


def session_dir(run_dir: Path, lingering: Path = LINGERING) -> Path | None:
    """Return a run directory that logind removes at the last logout of its user; None if not.

    Args:
        run_dir: The run directory.
        lingering: The directory with a file for each user whose sessions count as never ended.
    """
    if not run_dir.is_relative_to(SESSIONS):
        return None
    try:
        user = pwd.getpwuid(int(run_dir.relative_to(SESSIONS).parts[0])).pw_name
    except (IndexError, ValueError, KeyError):
        return None
    return None if (lingering / user).exists() else run_dir


def _full_disks(config: HiveConfig) -> tuple[DiskShortage, ...]:
    """Return the disks on which agents cannot start, of those that a start writes to."""
    minimum = config.machine.disk_free
    return () if minimum is None else tuple(shortages(disks_of(config, paths.find()), minimum))


def _missing_controllers(file: Path) -> tuple[str, ...]:
    """Return the controllers that limits need and this file does not name."""
    try:
        found = file.read_text().split()
    except OSError:
        found = []  # not version 2, or not mounted
    return tuple(name for name in ("memory", "pids", "cpu") if name not in found)


def find_orphans(directories: Directories, agents: Collection[str]) -> Orphans:
    """Return the orphans of agents that do not exist.

    The files of a container that runs are not orphans, even if it belongs to another hive.
    """
    owned = {container_name(name) for name in agents}
    units = dict(_units(owned))
    return Orphans(
        files=orphaned_files(directories, agents),
        failed=tuple(sorted(unit for unit, state in units.items() if state == "failed")),
        running=tuple(sorted(u for u, state in units.items() if state in {"active", "activating"})),
        images=tuple(_named(directories.images.glob(f"{CONTAINER_PREFIX}*"), owned)),
        nixos=tuple(_named(directories.confs.glob(f"{CONTAINER_PREFIX}*.conf"), owned)),
    )


def orphaned_files(directories: Directories, agents: Collection[str]) -> tuple[Path, ...]:
    """Return the generated files that belong to no agent and to no container that runs."""
    in_use = {container_name(name) for name in agents}
    in_use |= {path.name for path in directories.systemd.glob("machines/*")}
    return tuple(
        sorted(path for path, container in _generated(directories) if container not in in_use)
    )


def _polkit() -> Polkit:
    if os.geteuid() == 0:
        return Polkit.NOT_ASKED
    if shutil.which("pkcheck") is None:
        return Polkit.MISSING
    answer = output("pkcheck", f"--action-id={SHELL_ACTION}", f"--process={os.getpid()}")
    return Polkit.REFUSES if answer is None else Polkit.ALLOWS


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
    shown = _show("LoadState,RuntimeDirectoryPreserve", [SERVICE])
    loaded = shown and shown[0].get("LoadState") == "loaded"
    return shown[0].get("RuntimeDirectoryPreserve") if loaded else None


def _restarters(runtime: RuntimeName, agents: Collection[str]) -> tuple[Restarter, ...]:
    """Return what starts or restarts containers of agents beside the daemon.

    A container without our drop-in was never started, and gets it before its first start; all but
    the settings that the drop-in resets counts for it, too.
    """
    if runtime is RuntimeName.PROCESS or not agents:
        return ()
    units = [UNITS[runtime].format(container_name(name)) for name in sorted(agents)]
    shown = by_id(output(*SHOW, *units) or "")
    names = sorted({name for unit in shown.values() for name in named_units(unit)})
    others = by_id(output(*SHOW, *names) or "") if names else {}
    return tuple(
        each
        for unit in shown.values()
        for each in find_restarters(_with_drop_in(unit), others, read_text)
    )


def _with_drop_in(unit: Shown) -> Shown:
    """Return the properties of a unit; those that our drop-in will set are harmless before."""
    has_it = any(unit.get("DropInPaths", "").count(f"/{name}") for name in DROP_INS)
    return unit if has_it else {**unit, **OWN_SETTINGS}


def _generated(directories: Directories) -> Iterator[tuple[Path, str]]:
    """Yield each generated file with its container."""
    for name in DROP_INS:
        for path in directories.systemd.glob(f"system/*@*.service.d/{name}"):
            yield path, path.parent.name.partition("@")[2].removesuffix(".service.d")
    for path in directories.systemd.glob(f"nspawn/{CONTAINER_PREFIX}*.nspawn"):
        yield path, path.stem
    for path in (directories.run_dir / "machines").glob("*.run"):
        yield path, path.stem
    for path in (directories.run_dir / "machines").glob("*@*.service.log"):
        yield path, path.name.partition("@")[2].removesuffix(".service.log")
    for directory in (directories.run_dir / "machines").glob("*"):
        yield from ((path, directory.name) for path in directory.rglob("*") if path.is_file())


def _units(owned: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the units of containers with our prefix that no agent owns, with their states."""
    names = (f"{CONTAINER_PREFIX}*", MANAGER)
    patterns = [unit.format(name) for unit in UNITS.values() for name in names]
    for unit in _show("Id,ActiveState", patterns):
        container = unit.get("Id", "").partition("@")[2].removesuffix(".service")
        if container and container not in owned:
            yield unit["Id"], unit.get("ActiveState", "")


def _named(paths: Iterator[Path], owned: Collection[str]) -> Iterator[str]:
    """Yield the containers of paths that no agent owns; a link is declared by the host."""
    for path in sorted(paths):
        name = path.name.removesuffix(".conf")
        if name not in owned and not path.is_symlink():
            yield name


def _show(keys: str, units: Sequence[str]) -> list[dict[str, str]]:
    """Return the properties of units, one mapping each; none if systemd does not answer."""
    printed = output("systemctl", "show", f"--property={keys}", "--", *units)
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in (printed or "").split("\n\n")
        if block.strip()
    ]
