"""Whether an image fits on the disk, and whether its copy is complete."""

import asyncio
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hive.disk_space import FreeSpace
from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.machines.systemd import image_copy
from hive.machines.systemd.archive_size import archive_size
from hive.machines.systemd.image_copy import ImageCopy, ImageSize, image_size, is_complete, path_of
from hive.machines.systemd.machinectl import Machinectl
from hive.subprocesses import Outcome

MACHINE = "h-alice"
SPEC = MachineSpec(
    name="alice",
    command=("x",),
    socket_dir=Path("/run/h/agents/alice"),
    state_dir=Path("/var/lib/h/agents/alice/state"),
    log_file=Path("/dev/null"),
)


def make_image(root: Path) -> Path:
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("x" * 100)
    (root / "etc/same").hardlink_to(root / "etc/passwd")
    (root / "bin").symlink_to("/usr/bin")
    return root


def test_the_size_counts_entries_and_each_content_once(tmp_path: Path) -> None:
    size = image_size(make_image(tmp_path / "image"))
    assert (size.entries, size.bytes) == (5, 100)
    assert size.allocated % 512 == 0


def test_the_size_of_a_file_and_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(bytes(5000))
    found = image_size(tmp_path / "image.tar")
    assert (found.entries, found.bytes) == (1, 5000)
    assert image_size(tmp_path / "missing") == ImageSize()


def test_an_image_that_does_not_fit_is_refused_with_the_numbers(tmp_path: Path) -> None:
    copy = ImageCopy(MACHINE, tmp_path)
    copy.require_room(ImageSize(1, 1, 1))
    with pytest.raises(FailedError, match="h-alice: its image needs 1024 TiB, "):
        copy.require_room(ImageSize(1, 1, 1 << 50))


def test_an_image_with_too_many_files_is_refused_with_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_copy, "free_space", lambda path: FreeSpace(path, 0, 1 << 30, 7))
    ImageCopy(MACHINE, tmp_path).require_room(ImageSize(7, 1, 1))
    with pytest.raises(FailedError, match="h-alice: its image needs 8 inodes, 7 are free; make"):
        ImageCopy(MACHINE, tmp_path).require_room(ImageSize(8, 1, 1))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_the_size_of_an_archive_is_that_of_its_content(tmp_path: Path, mode: str) -> None:
    root = make_image(tmp_path / "image")
    (root / "etc/same").unlink()
    (root / "etc/same").write_text("y" * 100)
    (root / "etc/passwd").write_text("")
    with tarfile.open(tmp_path / "image.tar", mode) as archive:  # type: ignore[call-overload]
        archive.add(root, arcname=".")
        again = tarfile.TarInfo("etc/passwd")  # it replaces the first
        again.size = 0
        archive.addfile(again)
    found, unpacked = archive_size(tmp_path / "image.tar"), image_size(root)
    assert found is not None
    assert (found.entries, found.bytes) == (unpacked.entries, unpacked.bytes)
    assert found.allocated == 4096


def test_an_archive_that_cannot_be_read_has_no_size(tmp_path: Path) -> None:
    path = tmp_path / "image.tar.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(1000))
    assert archive_size(path) is None
    assert archive_size(tmp_path / "missing") is None


def test_an_image_is_a_directory_or_a_raw_file(tmp_path: Path) -> None:
    assert path_of("base", tmp_path) == tmp_path / "base"
    (tmp_path / "base.raw").touch()
    assert path_of("base", tmp_path) == tmp_path / "base.raw"


@pytest.mark.parametrize(
    ("copy", "complete"),
    [
        (ImageSize(5, 100, 0), True),
        (ImageSize(6, 101, 0), True),
        (ImageSize(4, 100, 0), False),
        (ImageSize(5, 99, 0), False),
    ],
)
def test_a_copy_is_complete_if_nothing_is_missing(copy: ImageSize, complete: bool) -> None:
    assert is_complete(copy, ImageSize(5, 100, 512)) is complete


class Importer:
    """`machinectl` that reports success and copies what `copy` writes."""

    def __init__(
        self,
        images: Path,
        copy: Callable[[Path], object],
        *,
        ok: bool = True,
        words: str = "No space left",
        status: int | None = 1,
    ) -> None:
        self._words = words
        self._status = status
        self._target = images / MACHINE
        self._copy = copy
        self._ok = ok and status == 1
        self.verbs: list[str] = []

    async def __call__(
        self, argv: Any, *, deadline: float, directory: Path | None = None
    ) -> Outcome:
        ok = await asyncio.to_thread(self._act, argv[1])
        unknown = f"Could not get path to image: No image '{argv[-1]}' known"
        if ok:
            return Outcome(tuple(argv), 0, "", "", deadline)
        if argv[1] == "show-image":
            return Outcome(tuple(argv), 1, "", unknown, deadline)
        return Outcome(tuple(argv), self._status, "", self._words, deadline)

    def _act(self, verb: str) -> bool:
        self.verbs.append(verb)
        if verb == "show-image":
            return self._target.exists()
        if verb == "remove":
            self._target.rename(self._target.with_name("removed"))
            return True
        self._copy(self._target)
        return self._ok


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "machines").mkdir()
    make_image(tmp_path / "machines/base")
    return tmp_path / "machines"


def half(target: Path) -> None:
    (make_image(target) / "etc/passwd").write_text("x" * 7)


def backend(images: Path, importer: Importer, image: str | None = None) -> Machinectl:
    return Machinectl(image or "base", images=images, run=importer)


@pytest.mark.parametrize("image", ["base", "/base"])
async def test_a_complete_copy_is_kept(images: Path, image: str) -> None:
    importer = Importer(images, make_image)
    named = str(images / "base") if image.startswith("/") else image
    assert await backend(images, importer, named).create(SPEC)
    assert importer.verbs == ["show-image", "import-fs" if named != image else "clone"]


def make_archive(images: Path) -> str:
    with tarfile.open(images / "base.tar", "w") as archive:
        archive.add(images / "base", arcname=".")
    return str(images / "base.tar")


@pytest.mark.parametrize("verb", ["clone", "import-fs", "import-tar"])
async def test_an_incomplete_copy_is_removed_whatever_machinectl_says(
    images: Path, verb: str
) -> None:
    origins = {
        "clone": lambda: "base",
        "import-fs": lambda: str(images / "base"),
        "import-tar": lambda: make_archive(images),
    }
    importer = Importer(images, half)
    with pytest.raises(
        FailedError, match=r"success, but copied only 5 of 5 files, 7 bytes of 100.*make room there"
    ):
        await backend(images, importer, origins[verb]()).create(SPEC)
    assert importer.verbs == ["show-image", verb, "show-image", "remove", "show-image"]
    assert not await asyncio.to_thread((images / MACHINE).exists)
    assert not await asyncio.to_thread(lambda: list(images.glob(".*"))), "no mark is left"


async def test_what_a_failed_copy_has_left_is_removed(images: Path) -> None:
    words = rf"(?s)No space left.* are free on the disk of {images}, the image needs .*5 inodes"
    with pytest.raises(FailedError, match=words):
        await backend(images, Importer(images, half, ok=False)).create(SPEC)
    assert not await asyncio.to_thread((images / MACHINE).exists)


class Killed(BaseException):
    """The daemon is killed."""


async def test_a_copy_during_which_the_daemon_was_killed_is_made_anew(images: Path) -> None:
    def killed(target: Path) -> None:
        half(target)
        raise Killed

    with pytest.raises(Killed):
        await backend(images, Importer(images, killed)).create(SPEC)
    assert await asyncio.to_thread((images / MACHINE).exists)
    importer = Importer(images, make_image)
    for verbs in (["show-image", "show-image", "remove", "show-image", "clone"], ["show-image"]):
        importer.verbs.clear()
        await backend(images, importer).create(SPEC)
        assert importer.verbs == verbs


async def test_a_directory_of_images_that_cannot_be_written_is_an_error(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, mode: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    importer = Importer(images, make_image)
    with pytest.raises(FailedError, match=r"No space left on device\. .*make room there"):
        await backend(images, importer).create(SPEC)
    assert importer.verbs == ["show-image"], "nothing is copied that could not be verified"


async def test_a_container_that_exists_is_used_as_it_is(images: Path) -> None:
    await asyncio.to_thread(half, images / MACHINE)
    importer = Importer(images, make_image)
    assert not await backend(images, importer).create(SPEC)
    assert importer.verbs == ["show-image"]


async def test_a_copy_that_did_not_end_in_time_is_not_used_later(images: Path) -> None:
    """machined goes on with it, and it may be incomplete at the next start."""
    importer = Importer(images, half, status=None)
    with pytest.raises(FailedError, match=r"did not end within 900 s.*machined may still copy"):
        await backend(images, importer).create(SPEC)
    assert await asyncio.to_thread((images / MACHINE).exists)
    await backend(images, Importer(images, make_image)).create(SPEC)
    assert len(await asyncio.to_thread((images / MACHINE / "etc/passwd").read_text)) == 100


class Unanswered(Importer):
    """`machinectl` whose first answers are missing: the bus or machined is just restarted."""

    def __init__(self, images: Path, missing: int) -> None:
        super().__init__(images, _refuse, ok=False)
        self._missing = missing

    async def __call__(
        self, argv: Any, *, deadline: float, directory: Path | None = None
    ) -> Outcome:
        if self._missing:
            self._missing -= 1
            self.verbs.append(argv[1])
            words = "Failed to connect to bus: Connection refused"
            return Outcome(tuple(argv), 1, "", words, deadline)
        return await super().__call__(argv, deadline=deadline, directory=directory)


def _refuse(target: Path) -> None:
    """Copy nothing: the target exists."""


async def test_a_container_is_not_removed_because_machined_did_not_answer(images: Path) -> None:
    await asyncio.to_thread(make_image, images / MACHINE)
    with pytest.raises(FailedError, match="Failed to connect to bus"):
        await backend(images, Unanswered(images, missing=1)).create(SPEC)
    assert await asyncio.to_thread((images / MACHINE / "etc/passwd").exists)


async def test_nothing_counts_as_removed_because_machined_did_not_answer(images: Path) -> None:
    await asyncio.to_thread(make_image, images / MACHINE)
    importer = Unanswered(images, missing=1)
    with pytest.raises(FailedError, match="Failed to connect to bus"):
        await backend(images, importer).remove(MACHINE)
    await backend(images, importer).remove(MACHINE)
    assert not await asyncio.to_thread((images / MACHINE).exists)


async def test_a_rename_is_not_left_out_because_machined_did_not_answer(images: Path) -> None:
    await asyncio.to_thread(make_image, images / MACHINE)
    with pytest.raises(FailedError, match="Failed to connect to bus"):
        await backend(images, Unanswered(images, missing=1)).can_rename(MACHINE, "h-bob")


async def test_a_container_that_appears_during_the_copy_is_not_removed(images: Path) -> None:
    """`machinectl` refuses to copy over it: it is not the copy."""
    importer = Importer(images, make_image, ok=False, words=f"Image '{MACHINE}' already exists.")
    with pytest.raises(FailedError, match="already exists"):
        await backend(images, importer).create(SPEC)
    assert await asyncio.to_thread((images / MACHINE / "etc/passwd").exists)
    assert not await asyncio.to_thread(lambda: list(images.glob(".*"))), "no mark is left"
