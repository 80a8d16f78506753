"""File descriptors: the limit of this process, and a reserve below it.

systemd starts services with a soft limit of 1024, which `select(2)` needs, and a hard limit far
above. The daemon raises its own soft limit; the programs of agents get the inherited one back.
"""

from __future__ import annotations

import resource
from contextlib import suppress

INHERITED = resource.getrlimit(resource.RLIMIT_NOFILE)
"""The soft and the hard limit with which this process was started."""

RESERVED = 64
"""Descriptors that connections of participants leave to the operator, the store and processes."""


def raise_limit() -> None:
    """Raise the soft limit of this process to the hard one; without effect if that is refused."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def restore_limit(pid: int) -> None:
    """Give a child process the inherited limit, as long as it has not ended."""
    with suppress(OSError, ValueError):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, INHERITED)


def is_in_reserve(descriptor: int) -> bool:
    """Return whether fewer than `RESERVED` descriptors are left.

    Args:
        descriptor: The newest descriptor. The kernel assigns the lowest free number, so all below
            it are in use.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft != resource.RLIM_INFINITY and descriptor >= soft - RESERVED
