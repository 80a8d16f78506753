"""An image gets its name at once, whole, or not at all."""

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from hive.errors import BadRequestError, ConflictError, FailedError
from hive.images import image_place
from hive.images.image_place import ImagePlace

HOLDER = """
import fcntl, os, struct, sys
file = open(sys.argv[1], "a")
fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
print("locked", flush=True)
sys.stdin.read()
"""
"""Locks a file as systemd-nspawn locks its image."""


def build(place: ImagePlace, content: str) -> None:
    with place.begun() as root:
        (root / "etc").mkdir()
        (root / "etc/content").write_text(content)
        place.publish()


def content(images: Path, name: str = "debian") -> str:
    return (images / name / "etc/content").read_text()


def names(images: Path) -> list[str]:
    return sorted(path.name for path in images.iterdir())


@contextmanager
def in_use(images: Path, name: str = "debian"):
    argv = [sys.executable, "-c", HOLDER, images / f".#{name}.lck"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield


def test_it_is_there_whole(tmp_path):
    build(ImagePlace("debian", tmp_path / "machines"), "new")
    assert content(tmp_path / "machines") == "new"
    assert names(tmp_path / "machines") == ["debian"]
    assert (tmp_path / "machines").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FailedError("a step")], ids=repr)
def test_an_interrupted_build_leaves_nothing(tmp_path, error):
    def interrupted() -> None:
        with ImagePlace("debian", tmp_path).begun() as root:
            (root / "half").touch()
            raise error

    with pytest.raises(type(error)):
        interrupted()
    assert names(tmp_path) == []


def test_what_a_killed_build_has_left_is_removed_by_the_next(tmp_path):
    (tmp_path / ".other.building").mkdir()
    (tmp_path / ".debian.building/proc").mkdir(parents=True)
    (tmp_path / ".debian.building/old").touch()
    with ImagePlace("debian", tmp_path).begun() as root:
        assert list(root.iterdir()) == []
        assert names(tmp_path) == [".debian.building"]


def test_an_image_that_exists_is_replaced_only_when_asked_for(tmp_path):
    build(ImagePlace("debian", tmp_path), "old")
    with pytest.raises(ConflictError, match="--replace"):
        build(ImagePlace("debian", tmp_path), "new")
    assert content(tmp_path) == "old"
    build(ImagePlace("debian", tmp_path, replace=True), "new")
    assert content(tmp_path) == "new"
    assert names(tmp_path) == ["debian"]


def test_a_failed_build_leaves_the_image_that_was_to_be_replaced(tmp_path):
    build(ImagePlace("debian", tmp_path), "old")
    with pytest.raises(FailedError), ImagePlace("debian", tmp_path, replace=True).begun():
        raise FailedError("a step")
    assert content(tmp_path) == "old"


def test_one_that_a_container_runs_from_is_not_replaced(tmp_path):
    build(ImagePlace("debian", tmp_path), "old")
    place = ImagePlace("debian", tmp_path, replace=True)
    with in_use(tmp_path), pytest.raises(ConflictError, match="a container runs from"):
        build(place, "new")
    assert content(tmp_path) == "old"


def test_nor_if_the_container_was_started_during_the_build(tmp_path):
    build(ImagePlace("debian", tmp_path), "old")
    place = ImagePlace("debian", tmp_path, replace=True)
    with place.begun(), in_use(tmp_path), pytest.raises(ConflictError, match="a container runs"):
        place.publish()
    assert content(tmp_path) == "old"


def test_nor_while_an_image_is_copied_to_a_container(tmp_path):
    build(ImagePlace("debian", tmp_path), "old")
    (tmp_path / ".h-bob.unverified").touch()
    with pytest.raises(ConflictError, match="h-bob is being copied"):
        build(ImagePlace("debian", tmp_path, replace=True), "new")
    assert content(tmp_path) == "old"


def test_an_image_that_appeared_during_the_build_is_kept(tmp_path):
    place = ImagePlace("debian", tmp_path)
    with place.begun():
        (tmp_path / "debian/etc").mkdir(parents=True)
        with pytest.raises(ConflictError):
            place.publish()
    assert names(tmp_path) == ["debian"]


def test_one_image_is_built_at_a_time(tmp_path):
    with ImagePlace("debian", tmp_path).begun() as root:
        with pytest.raises(ConflictError, match="another image is being built"):
            build(ImagePlace("other", tmp_path), "new")
        assert root.is_dir(), "and it is not disturbed"


@pytest.mark.parametrize("name", ["h-alice", "hm1nd", "A", "", "-a", "a/b", "a.b", "a" * 64])
def test_names_of_containers_and_odd_names_are_refused(tmp_path, name):
    with pytest.raises(BadRequestError):
        build(ImagePlace(name, tmp_path), "new")
    assert names(tmp_path) == []


def test_other_kinds_of_images_are_refused(tmp_path):
    (tmp_path / "debian.raw").touch()
    with pytest.raises(ConflictError, match=r"debian\.raw"):
        build(ImagePlace("debian", tmp_path, replace=True), "new")
    (tmp_path / "linked").symlink_to(tmp_path)
    with pytest.raises(ConflictError, match="no directory"):
        build(ImagePlace("linked", tmp_path, replace=True), "new")


def test_a_file_system_that_cannot_rename_so_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(image_place, "_NO_REPLACE", 1 << 20)  # a flag that no kernel knows
    with pytest.raises(FailedError, match="Invalid argument"):
        build(ImagePlace("debian", tmp_path), "new")
    assert names(tmp_path) == []


def test_the_lock_of_the_images_ends_with_its_process(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.close(descriptor)
    build(ImagePlace("debian", tmp_path), "new")
    shutil.rmtree(tmp_path / "debian")
