"""The file of a listening socket, in a directory where others may put any file.

The directory of a participant's socket may be writable in its container, and may be a file system
of its own. So a socket is bound under another name in the same directory, gets its permissions by a
descriptor of its file, and is renamed into place: neither bind(2) nor rename(2) follows a link in
the last part of a path, and the parts above it are directories of the daemon.

Everything here blocks: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from hive.paths import SOCKET_DIR_MODE, make_directory

SOCKET_MODE = 0o660
"""Mode of each socket, for any umask."""

_numbers = count()

Identity = tuple[int, int]
"""Device and inode of a file."""


def identity(path: Path) -> Identity | None:
    """Return the identity of a file, not of what it links to; None if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def make_parent(path: Path, before: os.stat_result | None) -> os.stat_result:
    """Make the directory of a socket if it is missing, and return what it was at first.

    Args:
        path: The path of the socket.
        before: What this function returned the first time; a directory that was removed meanwhile
            gets this group and mode again. The operator chose them, and no participant after that.

    Raises:
        OSError: It cannot be made.
    """
    directory = path.parent
    is_back = before is not None and not directory.exists()
    make_directory(directory, SOCKET_DIR_MODE)
    if before is None:
        return directory.stat()
    if is_back:
        with suppress(PermissionError):  # only root may give a directory to any group
            os.chown(directory, -1, before.st_gid)
        directory.chmod(stat.S_IMODE(before.st_mode))
    return before


def group_of(group: str | None, directory: os.stat_result) -> int:
    """Return the group of a socket: never one that a participant gave to the directory later.

    Args:
        group: Group that may use it; if this machine does not have it, only the daemon's does.
            None for that of the directory, if its setgid bit is set.
        directory: The directory as it was at first.
    """
    if group is None:
        return directory.st_gid if directory.st_mode & stat.S_ISGID else os.getegid()
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return os.getegid()


def bind(path: Path, gid: int, backlog: int) -> tuple[socket.socket, Identity]:
    """Return a socket that listens at a path, in place of any other file there.

    Args:
        path: The path.
        gid: Its group, if this process may give it that; otherwise the kernel's choice stays, which
            is the directory's if that has the setgid bit.
        backlog: Most connections that wait to be accepted.

    Raises:
        OSError: It cannot be bound.
    """
    new = path.with_name(f".{next(_numbers) % 100_000}")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        new.unlink(missing_ok=True)  # of a daemon that was killed
        os.fchmod(sock.fileno(), SOCKET_MODE)  # the file that bind(2) makes is never wider
        sock.bind(str(new))
        found = _give(new, gid)
        sock.listen(backlog)
        new.rename(path)
    except BaseException:
        sock.close()
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    return sock, found


def _give(new: Path, gid: int) -> Identity:
    """Give a new socket its group and mode, and return its identity."""
    with _opened(new) as (file, found):
        if found.st_gid != gid:
            with suppress(PermissionError):  # only root may give it to any group
                os.chown(file, -1, gid)
        if stat.S_IMODE(found.st_mode) != SOCKET_MODE:
            os.chmod(file, SOCKET_MODE)  # noqa: PTH101 - by descriptor
        return found.st_dev, found.st_ino


@contextmanager
def _opened(new: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield a path of the very file that was found at a path, and that file's status.

    Raises:
        OSError: It is not a socket of this user: somebody has exchanged it.
    """
    descriptor = os.open(new, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
            raise OSError(errno.EBUSY, f"another program replaced {new.name} in its directory")
        yield f"/proc/self/fd/{descriptor}", found
    finally:
        os.close(descriptor)
