"""Remove an agent's directory, and never anything else."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

from hive.errors import FailedError


def purge_directory(base: Path, *parts: str) -> None:
    """Remove the directory `base/parts…` with its content. Idempotent.

    Each directory is opened relative to its open parent, without following symbolic links, and
    links inside are removed, not followed. So nothing outside `base` is removed, even if
    directories are exchanged meanwhile. Blocks: call it from a thread.

    Raises:
        FailedError: A part is no plain name, or a symbolic link or a file is in its place.
        OSError: A file could not be removed.
    """
    path = base.joinpath(*parts)
    for part in parts:
        if part in {"", ".", ".."} or os.sep in part:
            raise FailedError(f"{path} is not removed: {part!r} is not the name of a directory")
    with ExitStack() as stack:
        try:
            above = _open(stack, base, None)
            for part in parts[:-1]:
                above = _open(stack, part, above)
            # rmtree itself refuses a symbolic link and walks by file descriptors.
            shutil.rmtree(parts[-1], dir_fd=above)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR} or error.errno is None:
                raise FailedError(
                    f"{path} is not removed: a symbolic link or a file is in its place; "
                    "see where it leads and remove it by hand"
                ) from error
            raise


def _open(stack: ExitStack, name: str | Path, above: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if above is None else os.O_NOFOLLOW)
    fd = os.open(name, flags, dir_fd=above)
    stack.callback(os.close, fd)
    return fd
