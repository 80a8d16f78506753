"""What belongs to no agent of this hive any more. Everything here blocks and changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from attrs import field, frozen

from hive.config import RuntimeName
from hive.doctor.programs import show
from hive.names import CONTAINER_PREFIX, MANAGER, container_name

DROP_IN = "50-hyperhive.conf"
"""The name of the drop-ins that the container runtimes write."""

UNITS = {
    RuntimeName.MACHINECTL: "systemd-nspawn@{}.service",
    RuntimeName.NIXOS_CONTAINER: "container@{}.service",
}
"""The unit of a container under each runtime."""


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
    for unit in show("Id,ActiveState", patterns):
        container = unit.get("Id", "").partition("@")[2].removesuffix(".service")
        if container and container not in owned:
            yield unit["Id"], unit.get("ActiveState", "")


def _named(paths: Iterator[Path], owned: Collection[str]) -> Iterator[str]:
    """Yield the containers of paths that are nobody's; what is a link is declared by the host."""
    for path in sorted(paths):
        name = path.name.removesuffix(".conf")
        if name not in owned and not path.is_symlink():
            yield name
