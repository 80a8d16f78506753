"""Copies of images: whether one fits on the disk, whether it is complete, whether it was verified.

On a full disk, `machinectl import-fs` and `machinectl clone` of systemd 252 report success and
leave an incomplete copy. Everything here blocks: call it from a thread.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from attrs import frozen

from hive.config import in_units
from hive.disk_space import free_space
from hive.errors import FailedError
from hive.paths import PRIVATE_MODE
from hive.quantities import counted

IMAGES = Path("/var/lib/machines")
"""Directory of machined's images."""


@frozen
class ImageSize:
    """Size of an image.

    Attributes:
        entries: Number of its files, directories and links; 1 for a file.
        bytes: Bytes of the content of its files, each counted once.
        allocated: Bytes that they take up on their disk.
    """

    entries: int = 0
    bytes: int = 0
    allocated: int = 0


def image_size(path: Path) -> ImageSize:
    """Return the size of an image, a directory or a file; of a missing one, that of nothing."""
    seen: set[tuple[int, int]] = set()
    entries = size = allocated = 0
    waiting = [os.fspath(path)]
    while waiting:
        current = waiting.pop()
        try:
            found = os.lstat(current)
            if stat.S_ISDIR(found.st_mode):
                waiting += [entry.path for entry in os.scandir(current)]
        except OSError:
            continue  # it has been removed meanwhile
        entries += 1
        if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) not in seen:
            seen.add((found.st_dev, found.st_ino))
            size += found.st_size
            allocated += found.st_blocks * 512
    return ImageSize(entries, size, allocated)


@frozen
class ImageCopy:
    """The copy of an image that becomes a container.

    Beside it is a hidden file from before the first byte is copied until the copy is verified. So
    one that was not verified, because the daemon or the machine ended meanwhile, is known as such.

    Attributes:
        machine: Name of the container.
        images: Directory of machined's images.
    """

    machine: str
    images: Path = IMAGES

    @property
    def is_unverified(self) -> bool:
        """Whether a copy was begun and not verified."""
        return self._mark.exists()

    def begin(self, image: ImageSize) -> None:
        """Mark the copy of an image of this size as unverified, durably.

        Raises:
            FailedError: The directory of images cannot be written.
        """
        try:
            self.images.mkdir(mode=PRIVATE_MODE, parents=True, exist_ok=True)
            with self._mark.open("w") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise self.failure(str(error), image) from error

    def end(self) -> None:
        """Remove the mark: the copy is verified, or it is removed. Idempotent."""
        self._mark.unlink(missing_ok=True)

    def size(self) -> ImageSize:
        """Return its size."""
        return image_size(path_of(self.machine, self.images))

    def require_room(self, image: ImageSize) -> None:
        """Check that an image fits on the disk of images.

        Raises:
            FailedError: It does not, with the numbers.
        """
        space = free_space(self.images)
        needs = []
        if space.bytes < image.allocated:
            needs.append(f"{in_units(image.allocated)}, {in_units(space.bytes)} are free")
        if space.inodes is not None and space.inodes < image.entries:
            needs.append(f"{counted(image.entries, 'inode')}, {space.inodes} are free")
        if needs:
            raise FailedError(
                f"the disk of {space.path} is too full for {self.machine}: its image needs "
                f"{'; and '.join(needs)}; make room there"
            )

    def failure(self, why: str, image: ImageSize) -> FailedError:
        """Return the error of a copy that failed or was incomplete, and is removed.

        Args:
            why: The words of the program, or what is missing.
            image: Size of the image; that of nothing if it is unknown.
        """
        space = free_space(self.images)
        inodes = "" if space.inodes is None else f" and {counted(space.inodes, 'inode')}"
        needs = f"{in_units(image.allocated)} and {counted(image.entries, 'inode')}"
        return FailedError(
            f"{self.machine} could not be made of its image: {why}. The copy is removed. "
            f"{in_units(space.bytes)}{inodes} are free on the disk of {space.path}"
            f"{f', the image needs {needs}' if image.entries else ''}; if that is too little, "
            "make room there, then start the agent again"
        )

    @property
    def _mark(self) -> Path:
        return self.images / f".{self.machine}.unverified"


def path_of(image: str, images: Path = IMAGES) -> Path:
    """Return the path of an image in machined: its directory, or its raw file."""
    raw = images / f"{image}.raw"
    return raw if raw.exists() else images / image


def is_complete(copy: ImageSize, image: ImageSize) -> bool:
    """Return whether a copy has all of its image. It may have more: machined adds files."""
    return copy.entries >= image.entries and copy.bytes >= image.bytes


def incomplete(copy: ImageSize, image: ImageSize) -> str:
    """Return what is missing in a copy of which `machinectl` has reported success."""
    return (
        f"it reported success, but copied only {copy.entries} of {counted(image.entries, 'file')}, "
        f"{in_units(copy.bytes)} of {in_units(image.bytes)}"
    )
