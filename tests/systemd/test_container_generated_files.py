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


def test_directories_of_binds_are_created(tmp_path: Path) -> None:
    shared = Bind(tmp_path / "shared", Path("/shared"))
    make_directories(evolve(spec(tmp_path), binds=(shared,)))
    assert all((tmp_path / name).is_dir() for name in ("socket", "state", "shared"))


def test_a_missing_read_only_bind_is_an_error(tmp_path: Path) -> None:
    missing = Bind(tmp_path / "keys", Path("/keys"), read_only=True)
    with pytest.raises(FailedError, match=r"alice: .*keys.* does not exist"):
        make_directories(evolve(spec(tmp_path), binds=(missing,)))


def test_all_generated_files_are_where_systemd_looks() -> None:
    places = Places.below(Path("/run/hyperhive"))
    assert places.drop_in("u.service") == Path("/run/systemd/system/u.service.d/50-hyperhive.conf")
    assert places.nspawn_file("h-a") == Path("/run/systemd/nspawn/h-a.nspawn")
    assert places.guest_units("h-a") == Path("/run/hyperhive/machines/h-a")
