"""The wheel that is packed from the running program."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hive.errors import BadRequestError, FailedError
from hive.images import own_wheel
from hive.images.own_wheel import pack_wheel, read_wheel
from hive.version import VERSION


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> own_wheel.Wheel:
    return pack_wheel(tmp_path_factory.mktemp("wheel"))


def test_it_has_this_version_and_the_extras(packed):
    assert packed.version == VERSION
    assert {"claude", "mcp", "systemd"} <= set(packed.extras)
    assert packed.path.name == f"hyperhive-{VERSION}-py3-none-any.whl"


def test_pip_installs_it_and_its_programs_are_of_this_version(packed, tmp_path):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    options = ["--disable-pip-version-check", "--ignore-installed", "--prefix", tmp_path]
    subprocess.run([*command, *options, packed.path], check=True)
    assert (tmp_path / "bin/hive-ag3nt").is_file()
    [version] = tmp_path.rglob("site-packages/hive/version.py")
    assert f'"{VERSION}"' in version.read_text()
    assert list(tmp_path.rglob("site-packages/actors/__init__.py"))
    assert not list(packed.path.parent.glob("*.tmp"))


def test_the_same_files_give_the_same_wheel(packed, tmp_path):
    assert pack_wheel(tmp_path).path.read_bytes() == packed.path.read_bytes()


def test_its_record_names_each_file_with_its_size(packed):
    with zipfile.ZipFile(packed.path) as archive:
        [record] = [name for name in archive.namelist() if name.endswith("/RECORD")]
        rows = [line.rsplit(",", 2) for line in archive.read(record).decode().splitlines()]
        sizes = {each.filename: str(each.file_size) for each in archive.infolist()}
    assert {name: size for name, _, size in rows} == sizes | {record: ""}
    assert not [name for name in sizes if "__pycache__" in name]


def test_files_of_another_version_than_the_installation_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(own_wheel, "VERSION", "9.9")
    with pytest.raises(FailedError, match=r"of version 9\.9.*recorded"):
        pack_wheel(tmp_path)


def test_files_that_are_not_installed_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(own_wheel, "DISTRIBUTION", "hyperhive-that-nobody-has")
    with pytest.raises(FailedError, match="--wheel"):
        pack_wheel(tmp_path)


def test_what_is_no_wheel_of_this_program_is_refused(tmp_path: Path):
    text = tmp_path / "a.whl"
    text.write_text("no zip")
    with pytest.raises(BadRequestError, match="cannot be read as a wheel"):
        read_wheel(text)
    other = tmp_path / "b.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("x-1.dist-info/METADATA", "Name: x\nVersion: 1\n")
    with pytest.raises(BadRequestError, match="a wheel of x, not of hyperhive"):
        read_wheel(other)
    empty = tmp_path / "c.whl"
    with zipfile.ZipFile(empty, "w"):
        pass
    with pytest.raises(BadRequestError, match="cannot be read as a wheel"):
        read_wheel(empty)
