"""The directory of an export: an index with the digest of each file, and archives of plain files.

The manager writes the proposed repositories, so an archive of them is made without following a
link, and has none: whoever imports it gets plain files below one directory, or nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from hive.errors import BadRequestError, FailedError, NotFoundError

FORMAT = 1
"""Version of the form of an export."""

INDEX = "hive.json"
STORE = "hive.sqlite"
CONFIG = "hive.toml"
PROPOSED = "proposed.tar"
BUNDLES = "applied"

DEPTH, PATH_BYTES = 100, 1024
"""Most directories in one another, and bytes of the longest path, that an archive has: an import
must be able to make them below any directory."""

_EXECUTABLE = 0o100
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The index of an export.

    Attributes:
        format: The version of its form.
        schema: The schema version of its store.
        hyperhive: The version of the program that wrote it.
        state_dir: The state directory that it was made from.
        files: The SHA-256 of each other file, by its path in the export.
    """

    format: int
    schema: int
    hyperhive: str
    state_dir: str
    files: dict[str, str]


def write_index(directory: Path, *, schema: int, hyperhive: str, state_dir: Path) -> Index:
    """Write the index of an export whose other files are complete."""
    files = {
        path.relative_to(directory).as_posix(): _digest(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    index = Index(FORMAT, schema, hyperhive, str(state_dir), files)
    (directory / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(index)) + b"\n")
    return index


def read_index(directory: Path) -> Index:
    """Read the index of an export and check every file of it.

    Raises:
        NotFoundError: There is no export.
        BadRequestError: It is of a newer version, not complete, or was changed.
    """
    try:
        text = (directory / INDEX).read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"{directory} is no export of a hive: {INDEX} cannot be read ({error.strerror})"
        ) from None
    try:
        index = msgspec.json.decode(text, type=Index)
    except msgspec.MsgspecError as error:
        raise BadRequestError(
            f"{directory / INDEX} is not the index of an export: {error}"
        ) from None
    if index.format > FORMAT:
        raise BadRequestError(
            f"{directory} has the format {index.format}, this program knows {FORMAT}; import it "
            f"with hyperhive {index.hyperhive} or newer"
        )
    for name, digest in index.files.items():
        _require_inside(name)
        path = directory / name
        if path.is_symlink() or not path.is_file():
            raise BadRequestError(f"{path} is missing; copy the whole export")
        if _digest(path) != digest:
            raise BadRequestError(f"{path} is not what was exported; copy the export again")
    return index


def pack(directory: Path, archive: Path) -> list[str]:
    """Write the plain files below a directory into a tar archive; return what was left out.

    Left out are links, sockets and devices: no program of ours follows what the manager made. So is
    what is deeper than an import could make it.

    Raises:
        FailedError: A file changed while it was read.
    """
    left_out: list[str] = []
    with tarfile.open(archive, "x") as tar:
        for here, directories, files, descriptor in os.fwalk(directory, follow_symlinks=False):
            place = Path(here).relative_to(directory)
            missing = [
                name
                for name in sorted([*directories, *files])
                if not _pack_entry(tar, descriptor, name, place / name)
            ]
            left_out += [(place / name).as_posix() for name in missing]
            directories[:] = set(directories).difference(missing)
    return left_out


def _pack_entry(tar: tarfile.TarFile, directory: int, name: str, place: Path) -> bool:
    if len(place.parts) > DEPTH or len(os.fsencode(place)) > PATH_BYTES:
        return False
    info = tarfile.TarInfo(place.as_posix())
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(info)
        return True
    if not stat.S_ISREG(found.st_mode):
        return False
    with os.fdopen(os.open(name, _FLAGS, dir_fd=directory), "rb") as file:
        found = os.fstat(file.fileno())
        info.size, info.mode = found.st_size, 0o600 | found.st_mode & _EXECUTABLE
        _add(tar, info, file)
    return True


def _add(tar: tarfile.TarFile, info: tarfile.TarInfo, file: IO[bytes]) -> None:
    try:
        tar.addfile(info, file)
    except OSError as error:
        raise FailedError(
            f"{info.name} changed while it was exported ({error}); try again"
        ) from None


def unpack(archive: Path, target: Path) -> None:
    """Write the files of an archive below a directory that does not exist yet.

    Raises:
        BadRequestError: It has anything else than plain files and directories that stay inside.
    """
    target.mkdir(mode=0o700, parents=True)
    try:
        with tarfile.open(archive, "r:") as tar:
            for info in tar:
                _unpack_entry(tar, info, target)
    except tarfile.TarError as error:
        raise BadRequestError(f"{archive} is no archive of an export: {error}") from None


def _unpack_entry(tar: tarfile.TarFile, info: tarfile.TarInfo, target: Path) -> None:
    _require_inside(info.name)
    path = target / info.name
    if info.isdir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    content = tar.extractfile(info) if info.isreg() else None
    if content is None:
        raise BadRequestError(f"{info.name!r} of the export is neither a file nor a directory")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("xb") as file:
        while chunk := content.read(1 << 20):
            file.write(chunk)
    path.chmod(0o600 | info.mode & _EXECUTABLE)


def _require_inside(name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise BadRequestError(f"{name!r} of the export leads out of its directory")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
