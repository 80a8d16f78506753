"""The place of an image among those of machined: built beside it, published at once. Blocks.

An image is built in a hidden directory, which machined does not list, and renamed when it is whole.
One image is built at a time: the directory of images is locked meanwhile, so what an earlier build
has left there, because it was killed, belongs to nobody and is removed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import field, frozen

from hive.errors import BadRequestError, ConflictError, FailedError
from hive.names import CONTAINER_PREFIX, MANAGER, container_name

IMAGES = Path("/var/lib/machines")
"""Directory of machined's images."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_IMAGES_MODE = 0o700
_BUILDING = ".building"

_AT_FDCWD = -100
_NO_REPLACE, _EXCHANGE = 1, 2  # see renameat2(2)


@frozen
class ImagePlace:
    """Where an image is, or will be.

    Attributes:
        name: Its name in machined.
        images: Directory of all images.
        replace: Whether an image that exists may be replaced.
    """

    name: str
    images: Path = IMAGES
    replace: bool = field(default=False, kw_only=True)

    @property
    def path(self) -> Path:
        """The image."""
        return self.images / self.name

    @property
    def building(self) -> Path:
        """Where it is built."""
        return self.images / f".{self.name}{_BUILDING}"

    @contextmanager
    def begun(self) -> Iterator[Path]:
        """Make the directory to build in; whatever is there at the end is removed.

        Raises:
            BadRequestError: No image may have the name.
            ConflictError: There is an image of the name that may not be replaced, or another image
                is being built.
        """
        self._require_name()
        self.images.mkdir(mode=_IMAGES_MODE, parents=True, exist_ok=True)
        with self._locked():
            self._require_free()
            _remove(self.images.glob(f".*{_BUILDING}"))
            try:
                self.building.mkdir(mode=0o755)
                yield self.building
            finally:
                _remove([self.building])

    def publish(self) -> None:
        """Give what was built its name; an image that had the name is removed afterwards.

        Raises:
            ConflictError: There is an image of the name that may not be replaced now.
            FailedError: The file system refuses it.
        """
        self._require_free()
        if not self.path.exists():
            _rename(self.building, self.path, _NO_REPLACE)
            return
        with self._unused():
            _rename(self.building, self.path, _EXCHANGE)

    def _require_name(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadRequestError(
                f"{self.name!r} cannot be the name of an image; it has 1 to 63 characters of a-z, "
                "0-9 and '-', and neither begins nor ends with '-'"
            )
        if self.name.startswith(CONTAINER_PREFIX) or self.name == container_name(MANAGER):
            raise BadRequestError(
                f"{self.name} is the name of an agent's container; choose another for the image"
            )

    def _require_free(self) -> None:
        raw = self.images / f"{self.name}.raw"
        if raw.exists():
            raise ConflictError(f"there is an image {raw}; choose another name")
        if not os.path.lexists(self.path):
            return
        if self.path.is_symlink() or not self.path.is_dir():
            raise ConflictError(f"{self.path} is no directory; choose another name")
        if not self.replace:
            raise ConflictError(
                f"there is an image {self.name} already; replace it with --replace, or choose "
                "another name"
            )
        with self._unused():
            pass

    @contextmanager
    def _unused(self) -> Iterator[None]:
        """Hold the lock of systemd for the image, so that no container can begin to use it.

        Raises:
            ConflictError: A container runs from it, or images are being copied.
        """
        copies = sorted(path.name for path in self.images.glob(".*.unverified"))
        if copies:
            machines = ", ".join(name.split(".")[1] for name in copies)
            raise ConflictError(
                f"{self.name} may be in use: {machines} is being copied from an image; try again "
                "when it runs"
            )
        lock = self.images / f".#{self.name}.lck"
        with lock.open("a") as file:
            if not _lock_as_systemd(file.fileno()):
                raise ConflictError(
                    f"a container runs from the image {self.name}; 'machinectl stop {self.name}' "
                    "ends it"
                )
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)  # while it is locked, as systemd does

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.images, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise ConflictError(
                f"another image is being built in {self.images}; try again when it is done"
            ) from None
        finally:
            os.close(descriptor)


def _remove(trees: Iterable[Path]) -> None:
    for tree in trees:
        with suppress(FileNotFoundError):
            shutil.rmtree(tree)


def _lock_as_systemd(descriptor: int) -> bool:
    """Lock a file as systemd does, see F_OFD_SETLK in fcntl(2); return whether it is locked."""
    everything = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, everything)
    except BlockingIOError:
        return False
    return True


def _rename(old: Path, new: Path, how: int) -> None:
    """Rename at once; Python's own `rename` can neither exchange nor refuse a replacement."""
    library = ctypes.CDLL(None, use_errno=True)
    names = (_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new))
    if library.renameat2(*names, how) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise FailedError(f"{new} cannot be given its name: {reason}; the image is not kept")
