"""A new proposed repository: written where only the daemon may write, then put in its place.

The manager may write beside that place, so nothing there is opened or followed: the finished
repository gets its name by one rename(2), which fails if there is anything but an empty directory.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from hive.errors import ConflictError, FailedError
from hive.git.check_out import write_tree
from hive.git.runner import IDENTITY, Git
from hive.git.tree_check import Entry

PREFIX = ".first-"
"""Beginning of the names of directories that are not in their place yet."""

BRANCH = "refs/heads/main"


@frozen
class FirstCommit:
    """What a new repository has.

    Attributes:
        files: Its files.
        message: The message of its commit.
        description: The text of git's own file for that; it distinguishes repositories.
        at: The time of the commit, in Unix seconds.
    """

    files: list[tuple[Entry, bytes]]
    message: str
    description: str
    at: int


async def write_repository(git: Git, first: FirstCommit, target: Path, staging: Path) -> str:
    """Write a repository with a work tree and one commit, and return the commit.

    Its owner is that of the directory around it.

    Args:
        git: Runs git.
        first: Its content.
        target: Where it is to be.
        staging: A directory of the same file system that only the daemon may write.

    Raises:
        ConflictError: There is something at `target`.
        FailedError: It cannot be written; nothing is left.
    """
    place = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=PREFIX, dir=staging))
    try:
        tree = place / "tree"
        await asyncio.to_thread(write_tree, first.files, tree)
        inner = tree / ".git"
        words = ("init", "--quiet", "--template=", "--initial-branch=main")
        await git.run(inner, *words)
        await git.run(inner, "fast-import", "--quiet", "--done", data=b"".join(_stream(first)))
        await git.run(inner, "read-tree", BRANCH)
        sha = (await git.run(inner, "rev-parse", BRANCH)).decode().strip()
        await asyncio.to_thread(_put, tree, target, first.description)
    except OSError as error:
        raise FailedError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
    return sha


def _stream(first: FirstCommit) -> Iterator[bytes]:
    """Yield the input of git-fast-import(1)."""
    yield f"commit {BRANCH}\n".encode()
    yield f"committer {IDENTITY} <{IDENTITY}@localhost> {first.at} +0000\n".encode()
    yield _data(first.message.encode(errors="replace"))
    for entry, content in first.files:
        yield f"M {entry.mode} inline ".encode() + _path(entry.path) + b"\n"
        yield _data(content)
    yield b"done\n"


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"


def _path(path: str) -> bytes:
    quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'.encode(errors="surrogateescape")


def _put(tree: Path, target: Path, description: str) -> None:
    """Give a finished repository its owner, its description and its place; blocks."""
    (tree / ".git" / "description").write_text(f"{description}\n")
    owner = target.parent.stat()
    if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
        for path in (tree, *tree.rglob("*")):
            os.lchown(path, owner.st_uid, owner.st_gid)
    if os.path.lexists(target):
        raise ConflictError(_exists(target))
    try:
        tree.rename(target)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConflictError(_exists(target)) from error
    except OSError as error:
        if target.is_dir():  # not empty
            raise ConflictError(_exists(target)) from error
        raise


def _exists(target: Path) -> str:
    return f"there is {target} already; edit it there, or take it away first"
