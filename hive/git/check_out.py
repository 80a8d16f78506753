"""Writes the files of a commit to the disk, whole or not at all.

Not by git, which would heed the attributes of the tree.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hive.git.tree_check import EXECUTABLE, LINK, Entry

PREFIX = ".writing-"
"""Beginning of the names of directories that are not whole yet."""

_DIRECTORY, _PLAIN = 0o755, 0o644


def write_tree(files: list[tuple[Entry, bytes]], target: Path) -> None:
    """Write files into a new directory, which appears at once, whole and on disk; blocks.

    Its modes are those of the tree, for any umask: agents in containers of their own users read it.
    If another one writes the same directory, the first stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=PREFIX, dir=target.parent))
    try:
        for entry, content in files:
            _write(new, entry, content)
        new.chmod(_DIRECTORY)
        _rename(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write(directory: Path, entry: Entry, content: bytes) -> None:
    path = directory
    *parents, name = entry.path.split("/")
    for part in parents:
        path /= part
        if not path.exists():
            path.mkdir()
            path.chmod(_DIRECTORY)
    path /= name
    if entry.mode == LINK:
        path.symlink_to(os.fsdecode(content))
        return
    with path.open("xb") as file:
        file.write(content)
        os.fchmod(file.fileno(), _DIRECTORY if entry.mode == EXECUTABLE else _PLAIN)
        os.fsync(file.fileno())


def _rename(new: Path, target: Path) -> None:
    try:
        new.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
