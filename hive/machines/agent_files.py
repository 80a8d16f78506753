"""Files in directories where an agent may have put anything: links, pipes, deep trees.

No symbolic link is followed, nothing blocks on a pipe or device, and depth costs neither stack nor
file descriptors. Everything here blocks on the disk: call it from a thread, not from the loop.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from hive.machines.runtime import RemainsError

_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC

_ROUNDS_MAX = 1_000_000
"""Most directories of one tree: a process that makes new ones all the time must not win."""


def open_regular(path: Path, flags: int, mode: int = 0) -> int:
    """Open a regular file; the caller closes the descriptor.

    Args:
        path: The file. Only its last part may be an agent's work.
        flags: Flags of open(2).
        mode: Permissions if it is created.

    Raises:
        OSError: It cannot be opened, or something else is in its place.
    """
    descriptor = os.open(path, flags | _NO_LINK | os.O_NONBLOCK, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "something that is no regular file is in its place", str(path))
    os.set_blocking(descriptor, True)
    return descriptor


def read_regular(path: Path, size: int, offset: int = 0) -> bytes:
    """Return at most `size` bytes of a regular file; errors are those of `open_regular`."""
    descriptor = open_regular(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)


def purge_directory(base: Path, *parts: str) -> None:
    """Remove the directory `base/parts…` with its content. Idempotent.

    Each directory is opened relative to its open parent, and links inside are removed, not
    followed. So nothing outside `base` is removed, even if directories are exchanged meanwhile.

    Raises:
        RemainsError: A part is not a plain name, or a symbolic link or a file is in its place, or
            something in it could not be removed.
    """
    path = base.joinpath(*parts)
    for part in parts:
        if part in {"", ".", ".."} or os.sep in part:
            raise RemainsError(f"{path} is not removed: {part!r} is not the name of a directory")
    with ExitStack() as stack:
        try:
            above = stack.enter_context(_opened(base, None))
            for part in parts[:-1]:
                above = stack.enter_context(_opened(part, above))
            _remove_tree(parts[-1], above)
        except FileNotFoundError:
            return
        except OSError as error:
            raise RemainsError(f"{path} is not removed: {_why(error)}") from error


def _why(error: OSError) -> str:
    """Return why a directory is not removed, and what to do."""
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return "a symbolic link or a file is in its place; see where it leads and remove it by hand"
    if error.errno in {errno.EBUSY, errno.EXDEV}:
        return f"{error.strerror}: something is mounted there; unmount it"
    where = f" ({error.filename!r})" if error.filename else ""
    return f"{error.strerror}{where}; check its owner, its file system, and `lsattr -R`"


def _remove_tree(name: str, above: int) -> None:
    """Remove a directory; those below it are moved up into it first, so that none is deep."""
    numbers = count()
    with _opened(name, above) as top:
        for _ in range(_ROUNDS_MAX):
            directories = _remove_files(top)
            if not directories:
                break
            for directory in directories:
                _empty(directory, top, numbers)
    os.rmdir(name, dir_fd=above)


def _empty(name: str, top: int, numbers: Iterator[int]) -> None:
    """Remove a directory in `top`, after its directories were moved to `top`."""
    with _opened(name, top) as directory:
        for inner in _remove_files(directory):
            _let_change(inner, directory)  # its entry `..` changes, too
            os.rename(inner, _free_name(top, numbers), src_dir_fd=directory, dst_dir_fd=top)
    os.rmdir(name, dir_fd=top)


def _free_name(top: int, numbers: Iterator[int]) -> str:
    while True:
        name = f".{next(numbers)}"
        try:
            os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            return name


def _remove_files(directory: int) -> list[str]:
    """Remove all that is no directory; return the names of the directories."""
    directories = []
    for name in os.listdir(directory):
        if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            directories.append(name)
        else:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
    return directories


@contextmanager
def _opened(name: str | Path, above: int | None) -> Iterator[int]:
    """Yield the descriptor of a directory, without following a link in its name.

    Without `above`, links are followed: it is a directory of the daemon's.
    """
    flags = os.O_DIRECTORY | os.O_CLOEXEC | (0 if above is None else os.O_NOFOLLOW)
    if above is not None:
        _let_change(name, above)
    descriptor = os.open(name, os.O_RDONLY | flags, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _let_change(name: str | Path, above: int) -> None:
    """Let the owner of a directory list and change it; an agent of the same user may forbid it."""
    descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | _NO_LINK, dir_fd=above)
    try:
        path = Path("/proc/self/fd", str(descriptor))
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            with suppress(PermissionError):  # of another user
                path.chmod(stat.S_IRWXU)
    finally:
        os.close(descriptor)
