"""The wheel of this program itself, packed from where it runs.

The daemon may come from an index, a file that has been deleted since, or a clone: what it was
installed from says little about what runs now. So the wheel is packed from the packages as they
are imported, and from what their installation has recorded.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

from hive.errors import BadRequestError, FailedError
from hive.version import VERSION

DISTRIBUTION = "hyperhive"
PACKAGES = ("actors", "hive")

_TAG = "py3-none-any"
_WHEEL = f"Wheel-Version: 1.0\nGenerator: {DISTRIBUTION}\nRoot-Is-Purelib: true\nTag: {_TAG}\n"
_RECORDED = ("METADATA", "entry_points.txt")
_OLDEST_TIME = (1980, 1, 1, 0, 0, 0)
"""The time of all files in it: the same content gives the same wheel."""


@frozen
class Wheel:
    """A wheel of this program.

    Attributes:
        path: Its file.
        version: Its version.
        extras: The extras that it can be installed with.
    """

    path: Path
    version: str
    extras: tuple[str, ...]


def read_wheel(path: Path) -> Wheel:
    """Read what a wheel says of itself.

    Raises:
        BadRequestError: It is no wheel of this program.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            [name] = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            text = archive.read(name).decode()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BadRequestError(f"{path} cannot be read as a wheel: {error}") from error
    fields = HeaderParser().parsestr(text)
    if fields["Name"] != DISTRIBUTION:
        raise BadRequestError(f"{path} is a wheel of {fields['Name']}, not of {DISTRIBUTION}")
    return Wheel(path, str(fields["Version"]), tuple(fields.get_all("Provides-Extra", ())))


def pack_wheel(directory: Path) -> Wheel:
    """Pack the wheel of the running program into a directory.

    Raises:
        FailedError: The program is not installed, or its files are of another version than what
            its installation has recorded.
    """
    installed = _installed()
    info = f"{DISTRIBUTION}-{VERSION}.dist-info"
    path = directory / f"{DISTRIBUTION}-{VERSION}-{_TAG}.whl"
    record = [f"{info}/RECORD,,\n"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in _content(installed, info):
            _add(archive, name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            record.append(f"{name},sha256={digest.decode()},{len(data)}\n")
        _add(archive, f"{info}/RECORD", "".join(record).encode())
    return read_wheel(path)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _OLDEST_TIME), data, zipfile.ZIP_DEFLATED)


def _installed() -> Distribution:
    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        raise FailedError(
            "this program runs from files that were not installed; install it, or name a wheel "
            "with --wheel"
        ) from None
    if found.version != VERSION:
        raise FailedError(
            f"these files are of version {VERSION}, and the installation has recorded "
            f"{found.version}; install the program again, or name a wheel with --wheel"
        )
    return found


def _content(installed: Distribution, info: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the wheel, each with its name in it."""
    for package in PACKAGES:
        yield from _files(package)
    yield f"{info}/WHEEL", _WHEEL.encode()
    for name in _RECORDED:
        yield f"{info}/{name}", (installed.read_text(name) or "").encode()
    for path in installed.files or ():
        if path.parts[0].endswith(".dist-info") and path.parts[1] == "licenses":
            yield "/".join([info, *path.parts[1:]]), path.read_binary()


def _files(package: str) -> Iterator[tuple[str, bytes]]:
    spec = find_spec(package)
    assert spec is not None, "this module is in one of them"
    assert spec.submodule_search_locations is not None, "they are packages"
    [place] = spec.submodule_search_locations
    root = Path(place)
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{package}/{path.relative_to(root).as_posix()}", path.read_bytes()
