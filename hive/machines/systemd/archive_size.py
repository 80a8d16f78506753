"""Size of what a tar archive unpacks to. Reads the whole archive: call it from a thread."""

from __future__ import annotations

import os.path
import tarfile
import zlib
from lzma import LZMAError
from pathlib import Path

from hive.machines.systemd.image_copy import ImageSize

_BLOCK = 4096
"""Bytes of the smallest part of a disk that a file takes up."""


def archive_size(path: Path) -> ImageSize | None:
    """Return the size of an archive's content; None if it cannot be read.

    That is so for a damaged one, and for zstd, which importd may read and this Python does not.
    What occurs twice in an archive counts once, as it is unpacked.
    """
    sizes: dict[str, int] = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                sizes[os.path.normpath(member.name)] = member.size if member.isreg() else 0
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
    except (OSError, EOFError, tarfile.TarError, zlib.error, LZMAError):
        return None
    blocks = sum(-(-size // _BLOCK) for size in sizes.values())
    return ImageSize(len(sizes), sum(sizes.values()), blocks * _BLOCK)
