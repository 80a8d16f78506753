"""The sources of binds on the host, before a start: they are there, or they are made.

A missing source is an error, because an empty directory in its place would hide that a disk is not
mounted. With `create = true` it is made, and belongs to root inside. Everything here blocks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from hive.config.model import Bind
from hive.errors import FailedError
from hive.paths import SOCKET_DIR_MODE, make_directory


def owner_is_root(source: Path) -> int:
    """Return the owner of a source whose container shares the users of the host."""
    return 0


def require_sources(
    agent: str, binds: Iterable[Bind], owner_of: Callable[[Path], int] = owner_is_root
) -> None:
    """Make the sources that may be made, and check that the others exist.

    Args:
        agent: Name of the agent.
        binds: The binds of its container.
        owner_of: Returns the id on the host of root's files in a bind.

    Raises:
        FailedError: A source is missing, or cannot be made.
    """
    for bind in binds:
        try:
            if bind.source.exists():
                continue
            if bind.create:
                _make(bind.source, owner_of(bind.source))
                continue
        except OSError as error:
            raise FailedError(
                f"{agent}: {bind.source}, the source of the bind {bind.target}, cannot be made: "
                f"{error}"
            ) from error
        raise FailedError(
            f"{agent}: {bind.source}, the source of the bind {bind.target}, does not exist; make "
            "it, mount what belongs there, or set create = true in that [[bind]]"
        )


def require_devices(agent: str, devices: Iterable[Bind]) -> None:
    """Check that the devices exist that an agent may use.

    Raises:
        FailedError: One does not.
    """
    for device in devices:
        if not device.source.exists():
            raise FailedError(
                f"{agent}: the host has no device {device.source}; load its module, or take it "
                "out of the agent's devices"
            )


def _make(source: Path, owner: int) -> None:
    """Make a directory, which is not in its place before it has its owner."""
    if not source.parent.exists():
        make_directory(source.parent, SOCKET_DIR_MODE)
    new = source.with_name(f".{source.name}.new")
    if not new.exists():
        new.mkdir(SOCKET_DIR_MODE)
    os.chown(new, owner, owner)
    new.rename(source)
