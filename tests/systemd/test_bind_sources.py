"""Sources of binds and devices before a start: there, made on request, or refused in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from attrs import evolve

from hive.config.model import Bind
from hive.errors import FailedError
from hive.machines.systemd.bind_sources import require_devices, require_sources
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.machinectl import Machinectl
from hive.machines.systemd.nixos_container import NixosContainer
from hive.machines.systemd.user_ranges import choose
from tests.systemd.test_container_unit_files import SPEC, body

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def bind(source: Path, **options: bool) -> Bind:
    return Bind(source, Path("/data"), **options)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_missing_source_is_refused_with_its_place_and_what_to_do(
    tmp_path: Path, read_only: bool
) -> None:
    missing = tmp_path / "disk"
    with pytest.raises(FailedError) as refused:
        require_sources("alice", [bind(missing, read_only=read_only)])
    assert str(refused.value) == (
        f"alice: {missing}, the source of the bind /data, does not exist; make it, mount what "
        "belongs there, or set create = true in that [[bind]]"
    )
    assert not missing.exists(), "an empty directory would hide that a disk is not mounted"


@pytest.mark.parametrize("read_only", [True, False])
def test_a_missing_source_is_made_on_request(tmp_path: Path, read_only: bool) -> None:
    wanted = bind(tmp_path / "deep" / "data", read_only=read_only, create=True)
    for _ in range(2):
        require_sources("alice", [wanted])
        assert [path.name for path in wanted.source.parent.iterdir()] == ["data"]
    assert wanted.source.is_dir()


@ROOT
def test_it_belongs_to_root_inside(tmp_path: Path) -> None:
    made = bind(tmp_path / "data", create=True)
    require_sources("alice", [made], lambda source: 0x90000)
    assert (made.source.stat().st_uid, made.source.stat().st_gid) == (0x90000, 0x90000)


@ROOT
def test_one_that_exists_keeps_its_owner(tmp_path: Path) -> None:
    there = bind(tmp_path, create=True)
    os.chown(tmp_path, 1234, 1234)
    require_sources("alice", [there], lambda source: 0x90000)
    assert tmp_path.stat().st_uid == 1234


@ROOT
def test_one_that_was_interrupted_is_completed(tmp_path: Path) -> None:
    made = bind(tmp_path / "data", create=True)
    (tmp_path / ".data.new").mkdir()  # of a daemon that was killed before it changed the owner
    require_sources("alice", [made], lambda source: 0x90000)
    assert made.source.stat().st_uid == 0x90000


def test_a_source_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wanted = bind(tmp_path / "file" / "data", create=True)
    with pytest.raises(
        FailedError, match=r"alice: .*, the source of the bind /data, cannot be made"
    ):
        require_sources("alice", [wanted])


def test_a_device_that_the_host_lacks_is_refused() -> None:
    require_devices("alice", [Bind(Path("/dev/null"), Path("/dev/null"))])
    with pytest.raises(FailedError, match="alice: the host has no device /dev/no-such-one"):
        require_devices("alice", [Bind(Path("/dev/no-such-one"), Path("/dev/no-such-one"))])


@pytest.mark.parametrize("backend", [Machinectl(), NixosContainer()])
def test_every_container_runtime_checks_before_a_start(
    tmp_path: Path, backend: Machinectl | NixosContainer
) -> None:
    spec = evolve(
        SPEC,
        socket_dir=tmp_path / "socket",
        state_dir=tmp_path / "state",
        private_users=False,
        binds=(bind(tmp_path / "missing"),),
    )
    for directory in (spec.socket_dir, spec.state_dir):
        directory.mkdir()
    places = Places.below(tmp_path)
    with pytest.raises(FailedError, match="create = true"):
        backend.prepare(spec, places)
    backend.prepare(evolve(spec, binds=(bind(tmp_path / "missing", create=True),)), places)
    assert (tmp_path / "missing").is_dir()
    with pytest.raises(FailedError, match="no device /dev/no-such-one"):
        backend.prepare(evolve(spec, binds=(), devices=("/dev/no-such-one rw",)), places)


@ROOT
@pytest.mark.parametrize("can_map", [True, False])
def test_what_is_made_can_be_written_to_by_root_inside(tmp_path: Path, can_map: bool) -> None:
    """Where the kernel cannot map owners, the directory belongs to the container's range."""
    data = tmp_path / "data"
    spec = evolve(
        SPEC,
        socket_dir=tmp_path / "agents/alice",
        state_dir=tmp_path / "own/alice/state",
        binds=(bind(data, create=True),),
    )
    for directory in (spec.socket_dir, spec.state_dir):
        directory.mkdir(parents=True)
    backend = Machinectl(can_map=lambda path: can_map or path != data, images=tmp_path / "images")
    places = Places.below(tmp_path)
    for _ in range(2):
        [text] = backend.files(spec, places).values()
        backend.prepare(spec, places)
        lines = body(text)
        first = choose("h-alice", None, ())
        if can_map:
            assert lines[2] == "PrivateUsers=pick"
            assert f"Bind={data}:/data:idmap" in lines
            assert data.stat().st_uid == 0
        else:
            assert lines[2] == f"PrivateUsers={first}:65536"
            assert f"Bind={data}:/data" in lines
            assert data.stat().st_uid == first
