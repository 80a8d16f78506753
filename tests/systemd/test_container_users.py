"""The ranges of users of containers, and the owners of the files that they see."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hive.config.model import Bind
from hive.machines.agent_files import purge_directory
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.idmapped_mounts import can_map, kernel_of, supports
from hive.machines.systemd.machinectl import Machinectl
from hive.machines.systemd.owners import (
    give_group,
    is_shifted,
    owner_ranges,
    shift_owners,
)
from hive.machines.systemd.unit_files import Settings
from hive.machines.systemd.user_ranges import FIRST, LAST, SIZE, UserRange, beginning, choose
from hive.mounts import Mount, mount_of
from tests.systemd.test_container_unit_files import SPEC, body

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")

MOUNTS = r"""
21 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /run rw,nosuid - tmpfs tmpfs rw,size=800000k
23 22 0:21 / /run/a\040b rw - ramfs none rw
24 21 0:22 / /srv rw master:3 - nfs4 server:/x rw
25 21 253:1 / /srv rw - xfs /dev/vdb rw,prjquota
"""


@pytest.mark.parametrize(
    ("path", "file_system"),
    [
        ("/", "ext4"),
        ("/runner", "ext4"),
        ("/run/hyperhive/agents", "tmpfs"),
        ("/run/a b/c", "ramfs"),
        ("/srv/data", "xfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_last_mount(path: str, file_system: str) -> None:
    mount = mount_of(Path(path), MOUNTS)
    assert mount
    assert mount.file_system == file_system


def test_a_mount_has_its_source_and_the_options_of_its_file_system() -> None:
    mount = mount_of(Path("/srv/data"), MOUNTS)
    assert mount == Mount(Path("/srv"), "xfs", "/dev/vdb", ("rw", "prjquota"))
    assert mount_of(Path("/x"), "") is None


@pytest.mark.parametrize(
    ("file_system", "release", "able"),
    [
        ("ext4", "5.11.0", False),
        ("ext4", "5.12.0-rc1", True),
        ("btrfs", "5.15.0-91-generic", True),
        ("tmpfs", "6.1.0-18-amd64", False),
        ("tmpfs", "6.3", True),
        ("tmpfs", "10.0.0", True),
        ("nfs4", "6.18.0", False),
        ("ext4", "odd", False),
    ],
)
def test_old_kernels_and_unknown_file_systems_cannot_map(
    file_system: str, release: str, able: bool
) -> None:
    assert supports(file_system, kernel_of(release)) is able


def test_a_pseudo_file_system_of_this_machine_cannot_map() -> None:
    assert not can_map(Path("/proc/self"))


@given(
    st.text(min_size=1),
    st.sets(st.integers(0, (LAST - FIRST) // SIZE).map(lambda n: FIRST + n * SIZE)),
)
def test_a_chosen_range_is_free_and_stays(machine: str, numbers: set[int]) -> None:
    first = choose(machine, None, numbers)
    assert first % SIZE == 0
    assert FIRST <= first <= LAST
    assert choose(machine, first, numbers) == first
    other = choose(machine, first, {*numbers, first})
    assert other not in {*numbers, first}


@pytest.mark.parametrize(
    ("id_on_host", "begin"),
    [
        (0, None),
        (1000, None),
        (65534, None),
        (FIRST, FIRST),
        (FIRST + 65535, FIRST),
        (2**32 - 2, None),
    ],
)
def test_only_ids_of_containers_belong_to_a_range(id_on_host: int, begin: int | None) -> None:
    assert beginning(id_on_host) == begin


def nspawn_lines(
    can_map: Callable[[Path], bool], run_dir: Path = Path("/nonexistent"), **changes: bool
) -> list[str]:
    """Return the lines of SPEC's `.nspawn` file."""
    backend = Machinectl(can_map=can_map, images=run_dir / "images", settings=Settings(**changes))
    [text] = backend.files(SPEC, Places.below(run_dir)).values()
    return body(text)


def test_nspawn_picks_the_range_where_all_binds_can_be_mapped() -> None:
    lines = nspawn_lines(lambda path: True)
    assert lines[2] == "PrivateUsers=pick"
    assert "PrivateUsersOwnership=auto" in lines
    assert [line for line in lines if line.startswith("Bind") and not line.endswith(":idmap")] == []


def test_the_range_is_chosen_here_where_a_directory_of_the_hive_cannot_be_mapped() -> None:
    lines = nspawn_lines(lambda path: path != SPEC.socket_dir)
    assert lines[2] == f"PrivateUsers={choose('h-alice', None, ())}:65536"
    assert f"BindReadOnly={SPEC.socket_dir}:/run/hive" in lines
    assert f"Bind={SPEC.state_dir}:/agents/alice/state:idmap" in lines


def test_a_bind_of_the_operator_that_cannot_be_mapped_leaves_the_choice_to_nspawn() -> None:
    lines = nspawn_lines(lambda path: path != Path("/nix"))
    assert lines[2] == "PrivateUsers=pick"
    assert "BindReadOnly=/nix:/nix" in lines
    assert "Bind=/srv/a\\:b:/shared:idmap" in lines


def test_an_agents_own_setting_is_preferred() -> None:
    backend = Machinectl(can_map=lambda path: True, settings=Settings(private_users=False))
    for own, line in ((None, "no"), (True, "pick"), (False, "no")):
        [text] = backend.files(evolve(SPEC, private_users=own), Places.below(Path("/r"))).values()
        assert f"PrivateUsers={line}" in text


@ROOT
def test_ranges_of_other_containers_are_not_chosen(tmp_path: Path) -> None:
    wanted = choose("h-alice", None, ())
    others = (tmp_path / "images/h-bob", tmp_path / "agents/carol", tmp_path / "own/dave/state")
    for number, path in enumerate(others):
        path.mkdir(parents=True)
        os.chown(path, 0, wanted + number * SIZE)
    assert owner_ranges(others) == {wanted, wanted + SIZE, wanted + 2 * SIZE}
    spec = evolve(
        SPEC, socket_dir=tmp_path / "agents/alice", state_dir=tmp_path / "own/alice/state"
    )
    backend = Machinectl(can_map=lambda path: False, images=tmp_path / "images")
    [text] = backend.files(spec, Places.below(tmp_path)).values()
    assert f"PrivateUsers={wanted + 3 * SIZE}:65536" in text


@ROOT
def test_a_tree_moves_between_ranges_and_keeps_its_inner_owners(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "sub").mkdir(parents=True)
    for name in ("file", "sub/su"):
        (tree / name).touch()
    outside.touch()
    (tree / "link").symlink_to(outside)
    os.chown(tree / "file", 1000, 100)
    (tree / "sub/su").chmod(0o4755)
    os.chown(tree / "sub", 100_000, 0)  # of no range
    for first in (FIRST, FIRST + SIZE, 0):
        shift_owners(tree, first)
        assert owners(tree) == (first, first)
        assert owners(tree / "file") == (first + 1000, first + 100)
        assert owners(tree / "sub") == (100_000, first)
        assert owners(tree / "link") == (first, first)
        assert stat.S_IMODE((tree / "sub/su").stat().st_mode) == 0o4755
    assert owners(outside) == (0, 0)


@ROOT
def test_a_tree_that_is_deeper_than_the_stack_and_the_descriptors_is_moved(tmp_path: Path) -> None:
    """The agent makes it as deep as it likes."""
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    shift_owners(tree, FIRST)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert os.fstat(here).st_uid == FIRST
    above = os.open("..", os.O_RDONLY, dir_fd=here)
    assert os.stat("file", dir_fd=above).st_uid == FIRST
    os.close(above)
    os.close(here)
    assert owners(tree) == (FIRST, FIRST)
    purge_directory(tmp_path, "tree")  # pytest could not


@ROOT
def test_an_interrupted_move_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    real = os.chown

    def full(name: str, uid: int, *gid: int, **options: Any) -> None:
        if name == str(tmp_path):
            raise OSError(28, "No space left on device")
        real(name, uid, *gid, **options)

    monkeypatch.setattr(os, "chown", full)
    with pytest.raises(OSError, match="No space"):
        shift_owners(tmp_path, FIRST)
    assert not is_shifted(tmp_path, FIRST)
    monkeypatch.undo()
    shift_owners(tmp_path, FIRST)
    assert is_shifted(tmp_path, FIRST)
    assert owners(tmp_path / "file") == (FIRST, FIRST)


@ROOT
def test_a_link_in_place_of_a_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "tree").symlink_to(tmp_path / "real")
    shift_owners(tmp_path / "tree", FIRST)
    assert owners(tmp_path / "real") == (0, 0)


@ROOT
def test_a_socket_belongs_to_the_group_of_root_inside(tmp_path: Path) -> None:
    socket = tmp_path / "mcp.sock"
    socket.touch()
    give_group(tmp_path, FIRST)
    assert (owners(tmp_path), owners(socket)) == ((0, FIRST), (0, FIRST))
    assert tmp_path.stat().st_mode & stat.S_ISGID
    assert owner_ranges([tmp_path]) == {FIRST}
    give_group(tmp_path, None)
    assert (owners(tmp_path), owners(socket)) == ((0, 0), (0, 0))
    assert not tmp_path.stat().st_mode & stat.S_ISGID


@ROOT
def test_the_group_that_an_operator_gave_to_a_directory_stays(tmp_path: Path) -> None:
    os.chown(tmp_path, 0, 100)
    tmp_path.chmod(0o2750)
    give_group(tmp_path, None)
    assert (owners(tmp_path), stat.S_IMODE(tmp_path.stat().st_mode)) == ((0, 100), 0o2750)


@ROOT
def test_a_container_without_a_range_gets_its_files_and_its_image_back(tmp_path: Path) -> None:
    spec = evolve(
        SPEC,
        socket_dir=tmp_path / "agents/alice",
        state_dir=tmp_path / "x/alice/state",
        binds=(),
    )
    places = Places.below(tmp_path)
    directories = (spec.state_dir, spec.socket_dir, tmp_path / "images/h-alice")
    for path in (*directories, places.guest_units("h-alice")):
        path.mkdir(parents=True)
    backend = Machinectl(can_map=lambda path: False, images=tmp_path / "images")
    backend.prepare(spec, places)
    [first] = owner_ranges([spec.socket_dir])
    assert owners(spec.state_dir) == owners(places.guest_units("h-alice")) == (first, first)
    os.chown(tmp_path / "images/h-alice", first, first)  # as nspawn does it
    [text] = backend.files(spec, places).values()
    assert f"PrivateUsers={UserRange(first).setting}" in text
    anew = places.guest_units("h-alice") / "hive-agent.service"
    anew.touch()  # by root, as at each change of an agent's variables
    backend.prepare(spec, places)
    assert owners(anew) == (first, first)
    backend.prepare(evolve(spec, private_users=False), places)
    assert {owners(path) for path in directories} == {(0, 0)}


@ROOT
def test_a_socket_that_is_mapped_keeps_its_group(tmp_path: Path) -> None:
    """The kernel lets nobody connect to a mapped socket whose group is not mapped."""
    spec = evolve(
        SPEC,
        socket_dir=tmp_path / "agents/alice",
        state_dir=tmp_path / "x/alice/state",
        binds=(),
    )
    for path in (spec.socket_dir, spec.state_dir):
        path.mkdir(parents=True)
    places = Places.below(tmp_path)
    backend = Machinectl(can_map=lambda path: path == spec.socket_dir, images=tmp_path / "images")
    backend.prepare(spec, places)
    assert owners(spec.socket_dir) == (0, 0)
    assert owners(spec.state_dir) != (0, 0)
    [text] = backend.files(spec, places).values()
    assert f"PrivateUsers={owners(spec.state_dir)[0]}:65536" in text


def test_binds_of_the_hive_are_looked_at_as_well() -> None:
    asked: list[Path] = []
    binds = (Bind(Path("/opt/programs"), Path("/opt/programs"), True),)
    backend = Machinectl(
        can_map=lambda path: not asked.append(path), settings=Settings(binds=binds)
    )
    backend.files(SPEC, Places.below(Path("/r")))
    assert asked == [
        *(SPEC.socket_dir, SPEC.state_dir, Path("/r/machines/h-alice")),
        *(Path("/srv/a:b"), Path("/nix"), Path("/opt/programs")),
    ]


def owners(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid
