"""Imports a commit of a proposed repository by way of a quarantine.

The manager can change its repository at any time, also while git reads it: exchange a file for a
link or a FIFO, or name the objects of another repository. So its object files are first copied into
a directory of ours, with a limit, and without following links; nothing else of it is copied. Git
then reads the copy. What a commit needs is checked, packed and unpacked beside the applied
repository, and moved into it when the caller accepts it. Nothing of a refused import is left.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from itertools import islice
from pathlib import Path

from attrs import define, field, frozen

from hive.errors import ConflictError, FailedError, NotFoundError, TooLargeError
from hive.git.proposed import ProposedObjects
from hive.git.runner import Git, ObjectPlaces
from hive.git.tree_check import TREE_BYTES
from hive.quantities import counted

OBJECTS_MAX = 20_000
"""Most objects that an import copies, and most object files of a proposed repository."""

SNAPSHOT_BYTES = 4 * TREE_BYTES
"""Most bytes of the object files of a proposed repository, its history included."""

PREFIX = "incoming-"
"""Beginning of the names of quarantines; one that a crash leaves is removed at the next start."""

_FAN_OUT = re.compile(r"[0-9a-f]{2}")
_LOOSE = re.compile(r"[0-9a-f]{38}")
_PACK = re.compile(r"pack-[0-9a-f]{40}\.(pack|idx)")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_SIZE_DIGITS = 12


@frozen
class Quarantine:
    """The place of one import.

    Attributes:
        git: Runs git.
        repository: The applied repository.
        directory: The quarantine, in the applied repository.
    """

    git: Git
    repository: Path
    directory: Path
    copied: Path = field(init=False)
    objects: Path = field(init=False)

    @copied.default
    def _copied(self) -> Path:
        return self.directory / "proposed"

    @objects.default
    def _objects(self) -> Path:
        return self.directory / "objects"

    @property
    def places(self) -> ObjectPlaces:
        """Where git finds what was imported: in the quarantine, and in the applied repository."""
        return ObjectPlaces(self.objects, (self.repository / "objects",))

    async def fetch(self, name: str) -> str:
        """Import a commit into the quarantine; return its full id.

        Raises:
            NotFoundError: The repository has no such commit.
            ConflictError: It is ambiguous.
            TooLargeError: It has too many objects, or too many bytes.
            GitError: Its objects are damaged.
        """
        sha = await self._resolve(name)
        listing = await self._new_objects(sha)
        if listing.strip():
            await self._copy(listing)
        return sha

    def accept(self) -> None:
        """Move what was imported into the applied repository; blocks."""
        target = self.repository / "objects" / "pack"
        target.mkdir(exist_ok=True)
        # Git looks for index files, so the index comes last.
        packed = sorted(self.objects.glob("pack/pack-*"), key=lambda file: file.suffix == ".idx")
        for file in packed:
            file.rename(target / file.name)

    async def _resolve(self, name: str) -> str:
        """Return the full id of a commit.

        `cat-file` reads one line of output for each line of input, and never a branch: an id that
        is also the name of a branch is an id here.
        """
        request = f"{name}^{{commit}}\n".encode()
        answer = await self._read("cat-file", "--batch-check", data=request)
        words = answer.decode("ascii", "replace").split()
        if words[-1:] == ["ambiguous"]:
            raise ConflictError(f"several objects begin with {name}; give more digits of the id")
        if len(words) != 3 or words[1] != "commit" or not words[0].startswith(name):  # noqa: PLR2004
            raise NotFoundError(
                f"the proposed repository has no commit {name}; commit first, then submit the id "
                "that 'git rev-parse HEAD' prints"
            )
        return words[0]

    async def _new_objects(self, sha: str) -> bytes:
        """Return the ids of the objects that a commit needs and that are not here yet."""
        try:
            listing = await self._read(
                *("rev-list", "--objects", "--no-object-names", sha, "--not", "--all"),
                most=OBJECTS_MAX * 41,
            )
        except TooLargeError:
            raise TooLargeError(
                f"the commit {sha[:12]} needs more than {OBJECTS_MAX} objects; propose a smaller "
                "repository, without its old history"
            ) from None
        sizes = await self._read(
            *("cat-file", "--batch-check=%(objectsize)"),
            data=listing,
            most=OBJECTS_MAX * _SIZE_DIGITS,
        )
        total = sum(int(size) for size in sizes.split() if size.isdigit())
        if total > TREE_BYTES:
            raise TooLargeError(
                f"the commit {sha[:12]} brings {counted(total, 'byte')}, at most {TREE_BYTES} are "
                "allowed"
            )
        return listing

    async def _copy(self, wanted: bytes) -> None:
        """Copy these objects and check each of them."""
        pack = await self._read(
            *("pack-objects", "--stdout", "--quiet", "--window=0", "--threads=1"),
            data=wanted,
            most=TREE_BYTES * 2,
        )
        # Without the copy: whatever the pack refers to must be in it, or here already.
        words = ("index-pack", "--stdin", "--strict", "--threads=1")
        await self.git.run(self.repository, *words, data=pack, places=self.places)

    async def _read(self, *words: str, data: bytes = b"", most: int = 8 << 20) -> bytes:
        places = ObjectPlaces(self.objects, (self.repository / "objects", self.copied))
        return await self.git.run(self.repository, *words, data=data, places=places, most=most)


@asynccontextmanager
async def quarantined(git: Git, repository: Path, proposed: Path) -> AsyncIterator[Quarantine]:
    """Copy the object files of a proposed repository; the copy is removed at the end.

    Raises:
        ConflictError: It cannot be read, or it has what no repository has.
        TooLargeError: It has too many object files, or too many bytes.
    """
    directory = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=PREFIX, dir=repository))
    place = Quarantine(git, repository, directory)
    try:
        await asyncio.to_thread(_fill, place, proposed)
        yield place
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _fill(place: Quarantine, proposed: Path) -> None:
    place.objects.mkdir()
    place.copied.mkdir()
    with closing(ProposedObjects.open(proposed)) as found:
        try:
            copy_objects(found.descriptor, place.copied)
        except OSError as error:
            raise FailedError(
                f"the objects of {proposed} cannot be copied to {place.copied}: {error.strerror}"
            ) from error


def copy_objects(
    source: int, target: Path, names: int = OBJECTS_MAX, size: int = SNAPSHOT_BYTES
) -> None:
    """Copy the object files below an object directory; blocks.

    Args:
        source: Descriptor of the object directory.
        target: An existing, empty directory.
        names: Most files and directories that may be in it.
        size: Most bytes of the files.

    Raises:
        ConflictError: A file that should have an object is a link, a FIFO or a device.
        TooLargeError: There are too many files, or too many bytes.
        OSError: They cannot be copied.
    """
    copy = _Copy(target, names, size)
    for directory in copy.names(source):
        if directory == "pack":
            copy.files(source, directory, _PACK)
        elif _FAN_OUT.fullmatch(directory):
            copy.files(source, directory, _LOOSE)


@define
class _Copy:
    """A copy of object files, which counts every name that it meets, and every byte."""

    target: Path
    names_left: int
    bytes_left: int

    def names(self, directory: int) -> list[str]:
        """Return the names in a directory."""
        with os.scandir(directory) as found:
            names = [entry.name for entry in islice(found, self.names_left + 1)]
        self.names_left -= len(names)
        self._require_room()
        return sorted(names)

    def files(self, source: int, directory: str, pattern: re.Pattern[str]) -> None:
        """Copy the plain object files of one directory."""
        try:
            inner = os.open(directory, _DIRECTORY, dir_fd=source)
        except FileNotFoundError:  # a 'git gc' has packed what was in it
            return
        except NotADirectoryError:
            raise ConflictError(
                f"'objects/{directory}' of the proposed repository is a link or no directory; "
                "remove it"
            ) from None
        try:
            (self.target / directory).mkdir()
            for name in filter(pattern.fullmatch, self.names(inner)):
                with suppress(FileNotFoundError):  # a 'git gc' has packed it meanwhile
                    self._file(_open_plain(inner, name, directory), directory, name)
        finally:
            os.close(inner)

    def _file(self, descriptor: int, directory: str, name: str) -> None:
        try:
            most = self.bytes_left + 1
            self.bytes_left -= _copy_file(descriptor, self.target / directory / name, most)
        finally:
            os.close(descriptor)
        self._require_room()

    def _require_room(self) -> None:
        if self.names_left < 0 or self.bytes_left < 0:
            raise TooLargeError(
                f"the proposed repository has more than {OBJECTS_MAX} object files or "
                f"{SNAPSHOT_BYTES} bytes in them; run 'git gc --prune=now' in it, or begin a new "
                "one without the old history"
            )


def _open_plain(directory: int, name: str, shown: str) -> int:
    """Open a plain file, never waiting for anything.

    Raises:
        FileNotFoundError: It is gone.
        ConflictError: It is a link, a FIFO or another thing that is no plain file.
    """
    descriptor: int | None = None
    try:
        descriptor = os.open(name, _FILE, dir_fd=directory)
    except FileNotFoundError:
        raise
    except OSError:
        pass  # a link, a socket, or a device that is not there
    if descriptor is not None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    raise ConflictError(
        f"'objects/{shown}/{name}' of the proposed repository is no plain file that can be read; "
        "remove it"
    )


def _copy_file(source: int, target: Path, most: int) -> int:
    """Copy at most so many bytes; return how many."""
    copied = 0
    with target.open("xb") as file:
        while copied < most and (chunk := os.read(source, min(_CHUNK, most - copied))):
            copied += file.write(chunk)
    return copied
