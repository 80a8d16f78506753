"""NixOS containers that were made by hand get the name of an agent's, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hive.errors import ConflictError, FailedError
from hive.machines.systemd import takeover
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.nixos_conf import read_conf
from hive.machines.systemd.nixos_container import NixosContainer
from hive.machines.systemd.nixos_places import CONF_BYTES, NixosPlaces
from hive.machines.systemd.nixos_rename import NixosRename, move_durably
from hive.machines.systemd.service_manager import ServiceManager
from tests.systemd.test_container_unit_files import PLAIN
from tests.systemd.test_nixos_conf import CREATED

OLD, NEW = "alice", "h-alice"
RENAMES = 5
"""The `.conf` file twice, and the root, the profile and the gcroots of the container."""


@pytest.fixture
def places(tmp_path: Path) -> NixosPlaces:
    found = NixosPlaces(*(tmp_path / name for name in ("confs", "roots", "profiles", "gcroots")))
    for directory in (found.confs, found.roots, found.profiles, found.gcroots):
        directory.mkdir()
    return found


def make(places: NixosPlaces, name: str = OLD) -> None:
    """Make what `nixos-container create` leaves on the disk."""
    places.conf(name).write_text(CREATED)
    (places.roots / name).mkdir()
    (places.roots / name / "mine").write_text(f"of {name}")
    (places.profiles / name).mkdir()
    (places.profiles / name / "system-1-link").mkdir()
    places.system(name).symlink_to("system-1-link")
    (places.gcroots / name).mkdir()


def parts(places: NixosPlaces, name: str) -> list[bool]:
    return [
        places.conf(name).exists(),
        *((each / name).exists() for each in (places.roots, places.profiles, places.gcroots)),
    ]


def tree(places: NixosPlaces) -> list[str]:
    return sorted(str(path) for path in places.confs.parent.rglob("*"))


class Stop(BaseException):
    """A kill of the daemon."""


class Moves:
    """Renames until one of them, counted from 0, is not done, or is done and then interrupted."""

    def __init__(self, last: int, error: BaseException, *, done: bool = False) -> None:
        self.left, self.error, self.done = last, error, done

    def __call__(self, before: Path, after: Path) -> None:
        self.left -= 1
        if self.left >= 0:
            move_durably(before, after)
        elif self.left == -1:
            if self.done:
                move_durably(before, after)
            raise self.error
        else:
            move_durably(before, after)


def test_all_of_a_container_gets_the_new_name_once(places: NixosPlaces) -> None:
    make(places)
    rename = NixosRename(places, OLD, NEW)
    assert rename.is_possible()
    for _ in range(2):
        rename.carry_out()
        assert (parts(places, OLD), parts(places, NEW)) == ([False] * 4, [True] * 4)
    assert (places.roots / NEW / "mine").read_text() == f"of {OLD}"
    assert places.conf(NEW).read_text() == CREATED
    assert places.system(NEW).is_dir()
    assert not rename.is_possible()
    assert [each.name for each in places.confs.iterdir()] == [f"{NEW}.conf"]


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("last", range(RENAMES))
def test_a_rename_that_is_killed_anywhere_is_finished_by_the_next_daemon(
    places: NixosPlaces, last: int, done: bool
) -> None:
    make(places)
    with pytest.raises(Stop):
        NixosRename(places, OLD, NEW, Moves(last, Stop(), done=done)).carry_out()
    assert not (places.conf(OLD).exists() and places.conf(NEW).exists())
    if 0 < last < RENAMES - 1:  # in between there is no container that anybody could start
        assert not places.conf(OLD).exists()
        assert not places.conf(NEW).exists()
        with pytest.raises(FailedError, match="is not finished"):
            NixosContainer(places=places)._exists(NEW)
    NixosRename(places, OLD, NEW).carry_out()
    assert (parts(places, OLD), parts(places, NEW)) == ([False] * 4, [True] * 4)
    assert [each.name for each in places.confs.iterdir()] == [f"{NEW}.conf"]


@pytest.mark.parametrize("last", range(RENAMES))
def test_a_rename_that_fails_anywhere_leaves_all_as_it_was(places: NixosPlaces, last: int) -> None:
    make(places)
    before = tree(places)
    with pytest.raises(FailedError, match=r"busy.*it is as it was"):
        NixosRename(places, OLD, NEW, Moves(last, OSError("busy"))).carry_out()
    assert tree(places) == before
    NixosRename(places, OLD, NEW).carry_out()
    assert parts(places, NEW) == [True] * 4


def test_parts_that_cannot_be_moved_back_are_named_and_the_rename_goes_on_later(
    places: NixosPlaces,
) -> None:
    make(places)

    def broken(before: Path, after: Path) -> None:
        if before.parent in {places.profiles, places.roots} and after.name == NEW:
            move_durably(before, after)
        if after.name in {OLD, NEW}:
            raise OSError("read-only")
        move_durably(before, after)

    rename = NixosRename(places, OLD, NEW, broken)
    with pytest.raises(FailedError, match=r"only in part.*records"):
        rename.carry_out()
    assert rename.record.exists()
    NixosRename(places, OLD, NEW).carry_out()
    assert parts(places, NEW) == [True] * 4


def test_what_was_made_anew_under_the_old_name_meanwhile_stays_there(places: NixosPlaces) -> None:
    make(places)
    with pytest.raises(Stop):
        NixosRename(places, OLD, NEW, Moves(1, Stop(), done=True)).carry_out()
    (places.roots / OLD).mkdir()  # as a start of the unit makes it
    NixosRename(places, OLD, NEW).carry_out()
    assert (places.roots / NEW / "mine").read_text() == f"of {OLD}"
    assert (places.roots / OLD).is_dir()


def refused(places: NixosPlaces, match: str, kind: type[Exception] = FailedError) -> None:
    """Require that a rename is refused and that nothing has changed."""
    before = tree(places)
    for attempt in (
        NixosRename(places, OLD, NEW).is_possible,
        NixosRename(places, OLD, NEW).carry_out,
    ):
        with pytest.raises(kind, match=match):
            attempt()
    assert tree(places) == before


@pytest.mark.parametrize("directory", ["roots", "profiles", "gcroots"])
def test_a_part_that_has_the_new_name_already_is_a_refusal(
    places: NixosPlaces, directory: str
) -> None:
    make(places)
    (getattr(places, directory) / NEW).mkdir()
    refused(places, f"{directory}/{NEW} exists without a container {NEW}", ConflictError)


def test_two_containers_are_a_refusal(places: NixosPlaces) -> None:
    make(places)
    make(places, NEW)
    refused(places, f"a container {OLD} and a container {NEW}", ConflictError)


def test_the_rename_of_another_container_to_the_same_name_is_a_refusal(places: NixosPlaces) -> None:
    make(places)
    make(places, "other")
    with pytest.raises(Stop):
        NixosRename(places, "other", NEW, Moves(1, Stop())).carry_out()
    refused(places, rf"{NEW}\.conf\.from\.other exists", ConflictError)


def test_a_container_made_during_an_interrupted_rename_is_a_refusal(places: NixosPlaces) -> None:
    make(places)
    with pytest.raises(Stop):
        NixosRename(places, OLD, NEW, Moves(2, Stop())).carry_out()
    places.conf(NEW).write_text(CREATED)
    refused(places, "which is not finished, and another", ConflictError)


def test_a_missing_root_or_system_is_a_refusal_that_says_what_makes_it(places: NixosPlaces) -> None:
    make(places)
    (places.roots / OLD).rename(places.roots / "away")
    refused(places, f"no root directory {places.roots / OLD}.*'nixos-container start {OLD}'")
    (places.roots / "away").rename(places.roots / OLD)
    places.system(OLD).unlink()
    places.system(OLD).symlink_to("collected")
    refused(places, f"no system .*'nixos-container update {OLD}'")


def test_a_container_without_gcroots_is_renamed(places: NixosPlaces) -> None:
    make(places)
    (places.gcroots / OLD).rmdir()
    NixosRename(places, OLD, NEW).carry_out()
    assert parts(places, NEW) == [True, True, True, False]


def test_a_root_that_is_a_mount_point_is_a_refusal(
    places: NixosPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(places)
    monkeypatch.setattr(Path, "is_mount", lambda path: path == places.roots / OLD)
    refused(places, "is a mount point")


def test_a_declared_container_is_a_refusal(places: NixosPlaces) -> None:
    make(places)
    places.conf(OLD).rename(places.confs / "store")
    places.conf(OLD).symlink_to("store")
    refused(places, "belongs to the host's own NixOS configuration")
    places.conf(OLD).unlink()
    places.conf(OLD).symlink_to("collected")
    refused(places, "belongs to the host's own NixOS configuration")


HOSTILE = {
    "a program": (b"#!/bin/sh\ntouch /tmp/it-ran\n", "line 2 of"),
    "a substitution over two lines": (b'A="$(\nrm -rf /)"\n', "line 1 of"),
    "a continued line": (b"EXTRA_NSPAWN_FLAGS=--a \\\n--b\n", "line 1 of"),
    "a continued comment": (b"# a \\\nPRIVATE_NETWORK=1\n", "line 1 of"),
    "an escape of a terminal": (b"FLAKE=\x1b[2J\n", "line 1 of"),
    "a hidden line break": ("FLAKE=a\u2028B=c\n".encode(), "line 1 of"),
    "an open quote": (b"FLAKE='a\n", "line 1 of"),
    "a null": (b"FLAKE=\x00\n", "line 1 of"),
    "no text": (b"\xff\xfe", "is not UTF-8 at byte 0"),
    "too much": (b"#" * (CONF_BYTES + 1), f"more than {CONF_BYTES} bytes"),
    "users of its own": (b"PRIVATE_USERS=pick\n", "PRIVATE_USERS=pick"),
}


@pytest.mark.parametrize(("content", "match"), HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_cannot_be_rewritten_is_a_refusal_and_never_run(
    places: NixosPlaces, content: bytes, match: str
) -> None:
    make(places)
    places.conf(OLD).write_bytes(content)
    refused(places, match)
    places.conf(OLD).rename(places.conf(NEW))
    with pytest.raises(FailedError, match=match):
        NixosContainer(places=places).files(PLAIN, Places.below(places.confs))


def test_a_pipe_in_the_place_of_the_file_is_a_refusal_at_once(places: NixosPlaces) -> None:
    make(places)
    places.conf(OLD).unlink()
    os.mkfifo(places.conf(OLD))
    refused(places, "is no plain file")


def test_a_name_that_nixos_container_does_not_accept_is_a_refusal(places: NixosPlaces) -> None:
    make(places, "a.b")
    with pytest.raises(FailedError, match="does not accept"):
        NixosRename(places, "a.b", NEW).is_possible()


def test_without_such_a_container_nothing_is_possible(places: NixosPlaces) -> None:
    assert not NixosRename(places, OLD, NEW).is_possible()
    NixosRename(places, OLD, NEW).carry_out()


async def test_a_stopped_container_is_taken_over_without_a_request_to_nixos(
    places: NixosPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(places)

    async def is_down(*_: object) -> bool:
        return False

    monkeypatch.setattr(takeover.MachineTakeover, "_is_running", is_down)
    found = takeover.MachineTakeover(ServiceManager(), NixosContainer(places=places))
    assert await found.find(OLD, NEW, stop=False)
    await found.carry_out(OLD, NEW, stop=False)
    assert parts(places, NEW) == [True] * 4
    assert not await found.find(OLD, NEW, stop=False)
    assert not await found.find(NEW, NEW, stop=False)


# What is given back


def test_a_released_container_gets_back_what_its_file_said_before(places: NixosPlaces) -> None:
    make(places)
    text = f"# by hand\n{CREATED}AUTO_START=1\n"
    places.conf(OLD).write_text(text)
    NixosRename(places, OLD, NEW).carry_out()
    run = Places.below(places.confs)
    backend = NixosContainer(places=places)
    for _ in range(2):  # a second start
        for path, written in backend.files(PLAIN, run).items():
            path.write_text(written)
    variables = read_conf(places.conf(NEW).read_text())
    assert (variables["PRIVATE_NETWORK"], variables["AUTO_START"]) == ("0", "0")
    assert "--bind=/old:/old" not in variables["EXTRA_NSPAWN_FLAGS"]
    edited = places.conf(NEW).read_text().replace("FLAKE=", "FLAKE=/new")
    places.conf(NEW).write_text(edited)
    for _ in range(2):  # idempotent
        backend.forget(NEW, run)
        after = places.conf(NEW).read_text()
        assert read_conf(after) == {
            **read_conf(text),
            "FLAKE": f"/new{read_conf(text)['FLAKE']}",
        }
        assert after.startswith("# by hand\n")
        assert not places.given_back(NEW).exists()


def test_what_is_given_back_goes_along_with_another_rename(places: NixosPlaces) -> None:
    make(places, NEW)
    backend = NixosContainer(places=places)
    run = Places.below(places.confs)
    for path, written in backend.files(PLAIN, run).items():
        path.write_text(written)
    NixosRename(places, NEW, "h-bob").carry_out()
    backend.forget("h-bob", run)
    assert read_conf(places.conf("h-bob").read_text()) == read_conf(CREATED)


def test_what_a_destroyed_container_has_left_is_not_given_to_another(places: NixosPlaces) -> None:
    make(places)
    places.given_back(NEW).write_text("EXTRA_NSPAWN_FLAGS=--bind=/secret\n")
    NixosRename(places, OLD, NEW).carry_out()
    assert not places.given_back(NEW).exists()


# Where it is


@pytest.mark.parametrize("confs", ["/etc/nixos-containers", "/etc/containers"])
def test_the_unit_of_containers_says_where_they_are(tmp_path: Path, confs: str) -> None:
    unit = tmp_path / "container@.service"
    unit.write_text(f"[Service]\nEnvironmentFile=-{confs}/%i.conf\n")
    found = NixosPlaces.of_host(unit)
    assert str(found.confs) == confs
    assert str(found.roots) == confs.replace("/etc", "/var/lib")


def test_without_that_unit_they_are_where_newer_hosts_have_them(tmp_path: Path) -> None:
    assert NixosPlaces.of_host(tmp_path / "none") == NixosPlaces()
    (tmp_path / "other").write_text("EnvironmentFile=-/etc/else/%i.conf\n")
    assert NixosPlaces.of_host(tmp_path / "other") == NixosPlaces()
