"""Whether the kernel can map the owners of a directory that is bound into a container.

systemd-nspawn does not start if a bind is to be mapped and its file system cannot do it. What is
unknown here therefore counts as unable; binds then work without it, see `user_ranges`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from hive.mounts import mount_of, read_mountinfo

Kernel = tuple[int, int]
"""Major and minor version."""

FIRST_KERNELS: dict[str, Kernel] = {
    "ext4": (5, 12),
    "xfs": (5, 12),
    "btrfs": (5, 15),
    "erofs": (5, 19),
    "squashfs": (6, 2),
    "tmpfs": (6, 3),
}
"""The first kernel with idmapped mounts of a file system; see mount_setattr(2)."""


def can_map(path: Path) -> bool:
    """Return whether the owners of the files below a path can be mapped. Blocks: it reads /proc."""
    mount = mount_of(path.resolve(), read_mountinfo())
    return mount is not None and supports(mount.file_system, kernel_of(os.uname().release))


def supports(file_system: str, kernel: Kernel) -> bool:
    """Return whether a kernel has idmapped mounts of a file system. Pure."""
    first = FIRST_KERNELS.get(file_system)
    return first is not None and kernel >= first


def kernel_of(release: str) -> Kernel:
    """Return the version in a kernel's release such as `6.1.0-18-amd64`; 0.0 if it has none."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)
