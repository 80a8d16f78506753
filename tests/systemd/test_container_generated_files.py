"""Writing and removing generated files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from hive.config.model import Bind
from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.generated_files import (
    PUBLIC_MODE,
    Places,
    make_directories,
    make_private,
    remove,
    remove_slice,
    write,
)


def spec(root: Path) -> MachineSpec:
    return MachineSpec(
        name="alice",
        command=(),
        socket_dir=root / "socket",
        state_dir=root / "state",
        log_file=root / "log",
    )


def test_only_changed_files_are_written(tmp_path: Path) -> None:
    one, two = tmp_path / "a/one", tmp_path / "two"
    assert write({one: "1", two: "2"}) == (one, two)
    assert write({one: "1", two: "3"}) == (two,)
    assert (one.read_text(), two.read_text()) == ("1", "3")
    assert [path.name for path in one.parent.iterdir()] == ["one"]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(params=[0, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each of some usual and unusual masks."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_only_the_owner_may_read_files_with_variables_of_an_agent(tmp_path: Path) -> None:
    secret, public = tmp_path / "machines/h-alice/unit", tmp_path / "drop.d/in"
    make_private(tmp_path / "machines")
    write({secret: "TOKEN=1"})
    write({public: "x"}, PUBLIC_MODE)
    assert (mode(secret), mode(secret.parent), mode(secret.parent.parent)) == (0o600, 0o700, 0o700)
    assert mode(public) == 0o644
    assert not mode(public.parent) & 0o022


@pytest.mark.usefixtures("umask")
def test_files_of_an_earlier_version_lose_the_rights_of_others(tmp_path: Path) -> None:
    unit = tmp_path / "machines/unit"
    unit.parent.mkdir()
    unit.parent.chmod(0o755)
    unit.write_text("TOKEN=1")
    unit.chmod(0o644)
    make_private(unit.parent)
    assert write({unit: "TOKEN=1"}) == (), "its content is the same"
    assert (mode(unit), mode(unit.parent)) == (0o600, 0o700)


def test_the_error_for_an_unwritable_file_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailedError, match=r"cannot be written.*root"):
        write({tmp_path / "file/below": "x"})


def test_removing_also_removes_empty_directories(tmp_path: Path) -> None:
    files = [tmp_path / "unit.d/ours", tmp_path / "other.d/ours"]
    write(dict.fromkeys([*files, tmp_path / "other.d/theirs"], "x"))
    remove(files)
    remove(files)
    assert [path.name for path in tmp_path.rglob("*")] == ["other.d", "theirs"]


def test_the_slice_goes_with_the_last_container(tmp_path: Path) -> None:
    places = Places.below(tmp_path / "run", tmp_path / "systemd")
    drop_ins = [places.drop_in(unit) for unit in ("a.service", "b.service")]
    write(dict.fromkeys([places.slice_file(), *drop_ins], "x"), PUBLIC_MODE)
    for drop_in, is_left in zip(drop_ins, (True, False), strict=True):
        remove([drop_in])
        remove_slice(places)
        assert places.slice_file().exists() is is_left
    remove_slice(places)
    assert places.units.is_dir(), "systemd is booted if this directory exists"


def test_the_agents_own_directories_are_made_and_no_others(tmp_path: Path) -> None:
    shared = Bind(tmp_path / "shared", Path("/shared"))
    make_directories(evolve(spec(tmp_path), binds=(shared,)))
    assert {path.name for path in tmp_path.iterdir()} == {"socket", "state"}


def test_all_generated_files_are_where_systemd_looks() -> None:
    places = Places.below(Path("/run/hyperhive"))
    assert places.drop_in("u.service") == Path("/run/systemd/system/u.service.d/zz-hyperhive.conf")
    assert places.slice_file() == Path("/run/systemd/system/machine-hyperhive.slice")
    assert places.nspawn_file("h-a") == Path("/run/systemd/nspawn/h-a.nspawn")
    assert places.guest_units("h-a") == Path("/run/hyperhive/machines/h-a")
