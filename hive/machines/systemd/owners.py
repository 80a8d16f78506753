"""Give the files of a stopped container to the ids that its root user has. All of it blocks."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from hive.machines.systemd.user_ranges import SIZE, beginning

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def shift_owners(tree: Path, first: int) -> None:
    """Give all files of a tree to the range that begins at `first`; 0 is that of the host.

    Owner N of any range becomes `first + N`; owners that belong to no range stay. No link is
    followed. The tree's own directory is changed last, so that it is right only if all others are.

    Args:
        tree: A directory; anything else in its place is left as it is. Nothing else may change it
            meanwhile.
        first: The first id of the range.

    Raises:
        OSError: An owner cannot be changed.
    """
    if not stat.S_ISDIR(tree.lstat().st_mode):
        return
    for fd in _directories(tree):
        for name in os.listdir(fd):  # noqa: PTH208 - of a descriptor
            _shift(name, first, fd)
    _shift(str(tree), first)


def _directories(tree: Path) -> Iterator[int]:
    """Yield a descriptor of each directory of a tree, which is open until the next one.

    One at a time, and without recursion: the tree may be as deep as its owner likes.
    """
    here = os.open(tree, _FLAGS)
    try:
        waiting, passed = [_inner(here)], [_identity(here)]
        yield here
        while waiting:
            is_below = bool(waiting[-1])
            next_ = os.open(waiting[-1].pop() if is_below else "..", _FLAGS, dir_fd=here)
            os.close(here)
            here = next_
            if is_below:
                waiting.append(_inner(here))
                passed.append(_identity(here))
                yield here
                continue
            waiting.pop()
            passed.pop()
            if passed and _identity(here) != passed[-1]:
                raise OSError(errno.EBUSY, "a directory was moved while it was read", str(tree))
    finally:
        os.close(here)


def _inner(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _identity(directory: int) -> tuple[int, int]:
    found = os.fstat(directory)
    return found.st_dev, found.st_ino


def is_shifted(tree: Path, first: int) -> bool:
    """Return whether a tree has its owners from `shift_owners`, by its own directory."""
    found = tree.lstat()
    return _shifted(found, first) == (found.st_uid, found.st_gid)


def give_group(directory: Path, first: int | None) -> None:
    """Give a socket's directory, and the socket in it, to the group of root of a range.

    The setgid bit makes the daemon give new sockets to the group of the directory.

    Args:
        directory: The directory; its owner stays.
        first: The first id of the range; None takes a range's group away, and leaves other groups.

    Raises:
        OSError: The group cannot be changed.
    """
    found = directory.stat()
    mode = stat.S_IMODE(found.st_mode)
    if first is None:
        if beginning(found.st_gid) is None:
            return
        group, mode = 0, mode & ~stat.S_ISGID
    else:
        group, mode = first, mode | stat.S_ISGID
    for path in directory.iterdir():
        os.chown(path, -1, group, follow_symlinks=False)
    os.chown(directory, -1, group)
    directory.chmod(mode)


def owner_ranges(paths: Iterable[Path]) -> set[int]:
    """Return the ranges to whose users or groups files belong."""
    found: set[int] = set()
    for path in paths:
        try:
            state = path.lstat()
        except OSError:
            continue
        found |= {begin for id_ in (state.st_uid, state.st_gid) if (begin := beginning(id_))}
    return found


def _shift(name: str, first: int, fd: int | None = None) -> None:
    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    uid, gid = _shifted(found, first)
    if (uid, gid) == (found.st_uid, found.st_gid):
        return
    os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISREG(found.st_mode) and mode & (stat.S_ISUID | stat.S_ISGID):
        os.chmod(name, mode, dir_fd=fd)  # the change of the owner has removed these bits


def _shifted(found: os.stat_result, first: int) -> tuple[int, int]:
    uid, gid = (
        first + id_ % SIZE if id_ < SIZE or beginning(id_) is not None else id_
        for id_ in (found.st_uid, found.st_gid)
    )
    return uid, gid
