"""Writing and removing generated files."""

from pathlib import Path

import pytest
from attrs import evolve

from hive.config.model import Bind
from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.generated_files import Places, make_directories, remove, write


def spec(root: Path) -> MachineSpec:
    return MachineSpec(
        name="alice",
        command=(),
        socket_dir=root / "socket",
        state_dir=root / "state",
        log_file=root / "log",
    )


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    one, two = tmp_path / "a/one", tmp_path / "two"
    assert write({one: "1", two: "2"}) == (one, two)
    assert write({one: "1", two: "3"}) == (two,)
    assert (one.read_text(), two.read_text()) == ("1", "3")
    assert [path.name for path in one.parent.iterdir()] == ["one"]


def test_what_cannot_be_written_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailedError, match=r"cannot be written.*root"):
        write({tmp_path / "file/below": "x"})


def test_removing_takes_empty_directories_along(tmp_path: Path) -> None:
    files = [tmp_path / "unit.d/ours", tmp_path / "other.d/ours"]
    write(dict.fromkeys([*files, tmp_path / "other.d/theirs"], "x"))
    remove(files)
    remove(files)
    assert [path.name for path in tmp_path.rglob("*")] == ["other.d", "theirs"]


def test_what_is_bound_is_made_first(tmp_path: Path) -> None:
    shared = Bind(tmp_path / "shared", Path("/shared"))
    make_directories(evolve(spec(tmp_path), binds=(shared,)))
    assert all((tmp_path / name).is_dir() for name in ("socket", "state", "shared"))


def test_what_is_only_read_has_to_be_there(tmp_path: Path) -> None:
    missing = Bind(tmp_path / "keys", Path("/keys"), read_only=True)
    with pytest.raises(FailedError, match=r"alice: .*keys.* does not exist"):
        make_directories(evolve(spec(tmp_path), binds=(missing,)))


def test_all_generated_files_are_where_systemd_looks() -> None:
    places = Places.below(Path("/run/hyperhive"))
    assert places.drop_in("u.service") == Path("/run/systemd/system/u.service.d/50-hyperhive.conf")
    assert places.nspawn_file("h-a") == Path("/run/systemd/nspawn/h-a.nspawn")
    assert places.guest_units("h-a") == Path("/run/hyperhive/machines/h-a")
