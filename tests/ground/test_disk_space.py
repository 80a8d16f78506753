"""Free space of file systems, and the sentence about one that is nearly full."""

import os
from pathlib import Path

import pytest

from hive import disk_space
from hive.disk_space import INODES, FreeSpace, free_space, shortage


def test_the_free_space_is_that_of_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    found = free_space(tmp_path / "not" / "yet")
    assert found.path == tmp_path
    assert found.device == tmp_path.stat().st_dev
    assert 0 < found.bytes < 1 << 60


def test_a_disk_with_room_is_no_shortage(tmp_path: Path) -> None:
    assert shortage([tmp_path], 1) is None
    assert shortage([], 1 << 60) is None


def test_a_full_disk_is_named_with_its_numbers(tmp_path: Path) -> None:
    sentence = shortage([tmp_path], 1 << 49)
    assert sentence is not None
    assert f"the disk of {tmp_path} is nearly full" in sentence
    assert "512 TiB are needed (disk_free in [machine])" in sentence


def scripted(monkeypatch: pytest.MonkeyPatch, **spaces: tuple[int, int | None]) -> list[Path]:
    def free(path: Path) -> FreeSpace:
        if path.name not in spaces:
            raise PermissionError(path)
        return FreeSpace(path, 0, *spaces[path.name])

    monkeypatch.setattr(disk_space, "free_space", free)
    return [Path("/", name) for name in (*spaces, "secret")]


def test_inodes_count_where_the_file_system_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = scripted(monkeypatch, btrfs=(1 << 30, None), ext4=(1 << 30, INODES - 1))
    sentence = shortage(paths, 1 << 20)
    assert sentence is not None
    assert f"/ext4 has only {INODES - 1} inodes left" in sentence


def test_the_first_full_disk_of_several_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = scripted(monkeypatch, state=(1 << 30, 9999), images=(5000, 9999))
    assert "the disk of /images is nearly full: 4.8 KiB are free" in str(shortage(paths, 1 << 20))
    assert shortage(paths, 5000) is None, "a path that cannot be looked at is no shortage"


def test_only_what_others_may_use_counts(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    assert free_space(tmp_path).bytes <= found.f_bfree * found.f_frsize
