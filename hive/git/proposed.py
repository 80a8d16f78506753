"""The proposed repository of an agent, which the manager writes.

Here it is data. No program of ours ever runs in it: git would heed its configuration, and some keys
of that start programs. hive-c0re reads its object directory alone, opened step by step without
following links, and hands git a path through that descriptor.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Self

from attrs import frozen

from hive.errors import ConflictError, NotFoundError

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REF = re.compile(r"ref: (?P<ref>refs/heads/[A-Za-z0-9._/-]{1,200})")
_SHA = re.compile(r"[0-9a-f]{40}")
_FILE_BYTES = 1 << 20
_WAYS = ((".git", "objects"), ("objects",))
"""Where the objects are: of a repository with a work tree, of a bare one."""


@frozen
class ProposedObjects:
    """The open object directory of a proposed repository.

    Attributes:
        descriptor: Its descriptor; whoever writes the repository cannot exchange the directory
            behind it.
    """

    descriptor: int

    @classmethod
    def open(cls, repository: Path) -> Self:
        """Open it; blocks for the time of a few system calls.

        Raises:
            ConflictError: There is none, or it borrows the objects of another repository.
        """
        descriptor = _open_objects(repository)
        if _borrows(descriptor):
            os.close(descriptor)
            raise ConflictError(
                f"the repository {repository} borrows the objects of another one "
                "(objects/info/alternates); run 'git repack -a -d' in it and remove that file"
            )
        return cls(descriptor)

    @property
    def path(self) -> str:
        """A path of the directory for other programs, valid until it is closed."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def close(self) -> None:
        """Close the directory."""
        os.close(self.descriptor)


def newest_commit(repository: Path) -> str:
    """Return the commit that a proposed repository is at, as its own files say; blocks.

    The files are read as data, with a limit and without following links.

    Raises:
        ConflictError: It cannot be read.
        NotFoundError: It has no commit yet.
    """
    descriptor = _open_git_dir(repository)
    try:
        head = _read(descriptor, ("HEAD",))
        named = _REF.fullmatch(head)
        found = head if named is None else _commit_of(descriptor, named["ref"])
    finally:
        os.close(descriptor)
    if found is None or not _SHA.fullmatch(found):
        raise NotFoundError(f"{repository} has no commit yet; commit first, then submit")
    return found


def description_of(repository: Path) -> str | None:
    """Return the text of git's own file for a description; None without any; blocks.

    It is read as `newest_commit` reads.
    """
    with suppress(ConflictError):
        descriptor = _open_git_dir(repository)
        try:
            return _read(descriptor, ("description",))
        finally:
            os.close(descriptor)
    return None


def _commit_of(descriptor: int, ref: str) -> str | None:
    if not {"", ".", ".."}.isdisjoint(ref.split("/")):
        return None  # it would lead out of the repository
    with suppress(ConflictError):
        return _read(descriptor, tuple(ref.split("/")))
    with suppress(ConflictError):
        for line in _read(descriptor, ("packed-refs",)).splitlines():
            sha, _, name = line.partition(" ")
            if name == ref:
                return sha
    return None


def _open_git_dir(repository: Path) -> int:
    for way in ((".git",), ()):
        with suppress(OSError, ConflictError):
            descriptor = _open_way(repository, way)
            try:
                _read(descriptor, ("HEAD",))
            except ConflictError:
                os.close(descriptor)
            else:
                return descriptor
    raise ConflictError(_unreadable(repository))


def _read(directory: int, way: tuple[str, ...]) -> str:
    """Return the text of a small file below a directory, without following links."""
    inner = os.dup(directory)
    try:
        for part in way[:-1]:
            outer, inner = inner, os.open(part, _OPEN, dir_fd=inner)
            os.close(outer)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(way[-1], flags, dir_fd=inner)
    except OSError as error:
        raise ConflictError(f"{'/'.join(way)} cannot be read: {error.strerror}") from None
    finally:
        os.close(inner)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ConflictError(f"{'/'.join(way)} is no plain file")
        return os.read(file, _FILE_BYTES).decode("ascii", "replace").strip()
    finally:
        os.close(file)


def _open_objects(repository: Path) -> int:
    for way in _WAYS:
        with suppress(OSError):
            return _open_way(repository, way)
    raise ConflictError(_unreadable(repository))


def _unreadable(repository: Path) -> str:
    return (
        f"{repository} is no git repository that can be read, or symbolic links lead to parts of "
        "it; ask for a first configuration ('hive-c0re init-config NAME', or request_init_config "
        "of the manager), or make one there with 'git init', commit an agent.toml, and submit that "
        "commit"
    )


def _open_way(repository: Path, way: tuple[str, ...]) -> int:
    descriptor = os.open(repository, _OPEN)
    for part in way:
        inner = descriptor
        try:
            descriptor = os.open(part, _OPEN, dir_fd=inner)
        finally:
            os.close(inner)
    return descriptor


def _borrows(descriptor: int) -> bool:
    """Whether the object directory names others; whatever cannot be looked at counts as one."""
    try:
        os.stat("info/alternates", dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
