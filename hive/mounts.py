"""The mounts of this machine, from /proc/PID/mountinfo; see proc(5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

_ESCAPE = re.compile(r"\\([0-7]{3})")


@frozen
class Mount:
    """One mount.

    Attributes:
        point: The directory where it is mounted.
        file_system: Type of the file system.
        source: The device, or another name of the file system.
        options: Options of the file system.
    """

    point: Path
    file_system: str
    source: str
    options: tuple[str, ...] = ()


def mount_of(path: Path, mountinfo: str) -> Mount | None:
    """Return the mount that has a path; None if there is none. Pure.

    Args:
        path: An absolute path without links.
        mountinfo: Content of /proc/PID/mountinfo.
    """
    found = None
    for mount in _mounts(mountinfo):
        # A later mount at the same place hides an earlier one.
        if path.is_relative_to(mount.point) and (found is None or _depth(mount) >= _depth(found)):
            found = mount
    return found


def read_mountinfo() -> str:
    """Return the mounts that this process sees."""
    return Path("/proc/self/mountinfo").read_text(errors="surrogateescape")


def _mounts(mountinfo: str) -> Iterator[Mount]:
    for line in filter(None, mountinfo.split("\n")):
        fields, _, rest = line.partition(" - ")
        file_system, source, options = [*rest.split(" ", 2), "", ""][:3]
        point = _ESCAPE.sub(lambda code: chr(int(code[1], 8)), fields.split()[4])
        yield Mount(Path(point), file_system, source, tuple(options.split(",")))


def _depth(mount: Mount) -> int:
    return len(mount.point.parts)
