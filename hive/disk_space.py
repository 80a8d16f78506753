"""Free space of file systems. Everything here blocks: call it from a thread."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from hive.config import HiveConfig, RuntimeName, in_units
from hive.paths import Paths
from hive.quantities import counted

INODES = 2_000
"""Free inodes of a file system below which it counts as full: a start makes some dozens."""


@frozen
class FreeSpace:
    """What is free in the file system of a path, for processes without privileges.

    Attributes:
        path: The path, or its nearest parent that exists.
        device: Identifies the file system.
        bytes: Free bytes.
        inodes: Free inodes; None if the file system does not count them, as btrfs.
    """

    path: Path
    device: int
    bytes: int
    inodes: int | None


def free_space(path: Path) -> FreeSpace:
    """Return what is free where a path is, or will be.

    Raises:
        OSError: It cannot be found out.
    """
    existing = next(each for each in (path, *path.parents) if each.exists())
    found = os.statvfs(existing)
    inodes = found.f_favail if found.f_files else None
    return FreeSpace(existing, existing.stat().st_dev, found.f_bavail * found.f_frsize, inodes)


@frozen
class DiskShortage:
    """A file system that is too full for the start of an agent.

    Attributes:
        what: The file system and the numbers.
        remedy: What to do.
    """

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def disks_of(config: HiveConfig, paths: Paths) -> tuple[Path, ...]:
    """Return a path on each file system that the start of an agent writes to."""
    images = {
        RuntimeName.PROCESS: (),
        RuntimeName.MACHINECTL: (Path("/var/lib/machines"),),
        RuntimeName.NIXOS_CONTAINER: (Path("/nix/store"), Path("/var/lib/nixos-containers")),
    }
    return (paths.state_dir, *images[config.runtime])


def shortage(paths: Iterable[Path], minimum: int) -> str | None:
    """Return the first shortage as a sentence; None if there is none."""
    return next(map(str, shortages(paths, minimum)), None)


def shortages(paths: Iterable[Path], minimum: int) -> Iterator[DiskShortage]:
    """Yield the file systems that are too full.

    Args:
        paths: Paths on the file systems.
        minimum: Bytes that have to be free on each; of inodes, that is `INODES`.
    """
    for path in paths:
        try:
            space = free_space(path)
        except OSError:
            continue  # whoever uses it reports a better error
        if space.bytes < minimum:
            yield DiskShortage(
                f"the disk of {space.path} is nearly full: {in_units(space.bytes)} are free, "
                f"{in_units(minimum)} are needed (disk_free in [machine])",
                "make room there",
            )
        elif space.inodes is not None and space.inodes < INODES:
            yield DiskShortage(
                f"the disk of {space.path} has only {counted(space.inodes, 'inode')} left, "
                f"{INODES} are needed",
                "remove files there",
            )
