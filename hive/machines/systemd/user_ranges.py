"""Ranges of user ids of containers: root inside is then an unprivileged user of the host.

nspawn picks a free range, and the kernel maps the owners of all binds, so the files of an agent
belong to root on the host and to root inside. Where the kernel cannot map one of the hive's own
directories, the hive chooses the range itself, because these directories belong to it then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from hashlib import sha256
from pathlib import Path

from attrs import frozen

SIZE = 0x10000
"""Ids of one range; it begins at a multiple of this."""

FIRST, LAST = 0x80000, 0x6FFF0000
"""The first and the last beginning of a range of containers, by the convention of systemd."""


@frozen
class UserRange:
    """The user ids of a container with a range of its own.

    Attributes:
        first: The id of root inside, on the host; None lets nspawn pick the range.
        unmapped: Sources of binds whose owners the kernel cannot map.
    """

    first: int | None = None
    unmapped: frozenset[Path] = frozenset()

    @property
    def setting(self) -> str:
        """The value of `PrivateUsers=` of systemd.nspawn(5)."""
        return "pick" if self.first is None else f"{self.first}:{SIZE}"

    def owner_of(self, source: Path) -> int:
        """Return the id on the host of root's files in a bind."""
        return self.first if self.first is not None and source in self.unmapped else 0


def range_of(
    own: Iterable[Path],
    others: Iterable[Path],
    can_map: Callable[[Path], bool],
    first: Callable[[], int],
) -> UserRange:
    """Return the range of a container.

    Args:
        own: Sources of binds that belong to the hive: they are given to the range if necessary.
        others: Sources of all other binds.
        can_map: Whether the kernel can map the owners below a path.
        first: Chooses the first id of the range, if nspawn may not pick it.
    """
    unable = frozenset(path for path in own if not can_map(path))
    unmapped = unable | {path for path in others if not can_map(path)}
    return UserRange(first() if unable else None, unmapped)


def choose(machine: str, present: int | None, taken: Collection[int]) -> int:
    """Return the first id of a container's range. Pure.

    Args:
        machine: The container's name; the same one gets the same range if that is free.
        present: The first id of the range that it has; None if it has none.
        taken: The first ids of the ranges of other containers.
    """
    if present is not None and present not in taken:
        return present
    count = (LAST - FIRST) // SIZE + 1
    start = int.from_bytes(sha256(machine.encode()).digest()[:8])
    candidates = (FIRST + (start + step) % count * SIZE for step in range(count))
    return next(candidate for candidate in candidates if candidate not in taken)


def beginning(id_on_host: int) -> int | None:
    """Return the first id of the range that an id belongs to; None if it is not a container's."""
    begin = id_on_host - id_on_host % SIZE
    return begin if FIRST <= begin <= LAST else None
