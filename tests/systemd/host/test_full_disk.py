"""machined on a disk that is full: no incomplete container is kept, and the reason is said."""

import asyncio
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.machines.systemd import image_copy
from hive.machines.systemd.image_copy import ImageCopy
from hive.machines.systemd.machinectl import Machinectl
from hive.subprocesses import run_command
from tests.systemd.host.lab import ContainerLab

pytestmark = pytest.mark.loops("uvloop")

SMALL = 16 << 20
"""Bytes of the disk."""

INODES = 600
"""Inodes of the disk."""


async def host(*argv: str) -> None:
    outcome = await run_command(argv, deadline=30)
    assert outcome.ok, str(outcome)


def make_large(root: Path) -> Path:
    """Make an image that is twice as large as the disk of images."""
    (root / "usr").mkdir(parents=True)
    for number in range(2 * SMALL >> 20):
        (root / "usr" / str(number)).write_bytes(bytes(range(256)) * 4096)
    return root


def make_many(root: Path) -> Path:
    """Make an image with twice as many files as the disk of images has inodes."""
    (root / "usr").mkdir(parents=True)
    for number in range(2 * INODES):
        (root / "usr" / str(number)).touch()
    return root


def directory(image: Path) -> str:
    return str(image)


def archive(image: Path) -> str:
    with tarfile.open(image.with_suffix(".tar"), "w") as file:
        file.add(image, arcname=".")
    return str(image.with_suffix(".tar"))


@pytest.fixture
async def small_disk(lab: ContainerLab) -> AsyncIterator[None]:
    """Make the disk of images a small one."""
    options = f"size={SMALL},nr_inodes={INODES}"
    await host("mount", "-t", "tmpfs", "-o", options, "none", str(image_copy.IMAGES))
    yield
    await host("umount", "--lazy", str(image_copy.IMAGES))


def left() -> list[str]:
    return [path.name for path in image_copy.IMAGES.iterdir()]


@pytest.mark.parametrize("origin", [directory, archive])
@pytest.mark.parametrize(("make", "what"), [(make_large, "MiB"), (make_many, "inodes")])
@pytest.mark.usefixtures("small_disk")
async def test_a_container_that_fills_the_disk_is_not_kept(
    lab: ContainerLab,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], Path],
    what: str,
    origin: Callable[[Path], str],
) -> None:
    image = await asyncio.to_thread(lambda: origin(make(tmp_path / "image")))
    spec = lab.script("true")
    with pytest.raises(FailedError, match=rf"too full for h-alice: its image needs .* {what}"):
        await Machinectl(image).create(spec)
    assert await asyncio.to_thread(left) == []

    # Others use the disk as well, so it may become full while an image is copied.
    monkeypatch.setattr(ImageCopy, "require_room", lambda *_: None)
    with pytest.raises(
        FailedError, match=r"(?s)h-alice could not be made.*inodes are free.*make room"
    ):
        await Machinectl(image).create(spec)
    assert await asyncio.to_thread(left) == []


@pytest.mark.usefixtures("small_disk")
async def test_an_image_of_machined_that_fills_the_disk_is_not_kept(
    lab: ContainerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> None:
        base = image_copy.IMAGES / "base/usr"
        base.mkdir(parents=True)
        for number in range(SMALL >> 20):
            (base / str(number)).write_bytes(bytes(700_000))

    await asyncio.to_thread(make)
    monkeypatch.setattr(ImageCopy, "require_room", lambda *_: None)
    with pytest.raises(FailedError, match=r"(?s)h-alice could not be made.*make room there"):
        await Machinectl("base").create(lab.script("true"))
    assert await asyncio.to_thread(left) == ["base"]
