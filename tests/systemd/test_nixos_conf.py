"""Rewriting the `.conf` file of a NixOS container."""

from pathlib import Path

import pytest
from attrs import evolve

from hive.errors import FailedError
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.nixos_conf import CLEARED, read_conf, rewrite_conf
from hive.machines.systemd.nixos_container import NixosContainer
from hive.machines.systemd.nixos_places import NixosPlaces
from tests.systemd.test_container_unit_files import PLAIN

CREATED = """\
PRIVATE_NETWORK=1
HOST_ADDRESS=10.233.1.1
LOCAL_ADDRESS=10.233.1.2
HOST_BRIDGE=
HOST_PORT=
AUTO_START=0
FLAKE=/var/lib/hyperhive/meta#alice
EXTRA_NSPAWN_FLAGS="--bind=/old:/old"
"""

FLAGS = "--bind=/run/hyperhive/agents/alice:/run/hive --bind-ro=/nix:/nix"


def test_the_container_shares_the_hosts_network_and_has_the_binds() -> None:
    variables = read_conf(rewrite_conf(CREATED, flags=FLAGS))
    assert variables["PRIVATE_NETWORK"] == "0"
    assert variables["EXTRA_NSPAWN_FLAGS"] == FLAGS
    assert {variables[key] for key in CLEARED} == {""}


def test_other_lines_stay_as_they_are() -> None:
    before, after = (
        read_conf(CREATED),
        read_conf(rewrite_conf("# by hand\n" + CREATED, flags=FLAGS)),
    )
    for key in ("FLAKE", "AUTO_START", "HOST_PORT"):
        assert after[key] == before[key]
    assert "\n# by hand\n" in rewrite_conf("# by hand\n", flags=FLAGS)


def test_rewriting_again_changes_nothing() -> None:
    once = rewrite_conf(CREATED, flags=FLAGS)
    assert rewrite_conf(once, flags=FLAGS) == once


def test_no_variable_is_written_twice() -> None:
    lines = rewrite_conf(CREATED, flags=FLAGS).splitlines()
    names = [line.partition("=")[0] for line in lines]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("users", ["pick", "yes", "524288", "524288:65536", "managed"])
def test_a_container_with_users_of_its_own_is_refused(tmp_path: Path, users: str) -> None:
    (tmp_path / "h-alice.conf").write_text(f"{CREATED}PRIVATE_USERS={users}\n")
    with pytest.raises(FailedError, match=f"PRIVATE_USERS={users}.*belong to nobody inside"):
        NixosContainer(places=NixosPlaces(tmp_path)).files(PLAIN, Places.below(tmp_path))


@pytest.mark.parametrize("users", ["", "no", "identity"])
def test_the_users_of_the_host_are_accepted(tmp_path: Path, users: str) -> None:
    conf = tmp_path / "h-alice.conf"
    conf.write_text(f"{CREATED}PRIVATE_USERS={users}\n")
    spec = evolve(PLAIN, binds=())
    backend = NixosContainer(places=NixosPlaces(tmp_path))
    assert conf in backend.files(spec, Places.below(tmp_path))


def test_a_released_container_that_the_hive_has_made_keeps_the_network_of_the_host(
    tmp_path: Path,
) -> None:
    places = Places.below(tmp_path / "run", tmp_path / "systemd")
    backend = NixosContainer(places=NixosPlaces(tmp_path))
    conf = tmp_path / "h-alice.conf"
    conf.write_text(CREATED)
    backend.forget("h-alice", places)
    assert conf.read_text() == CREATED  # nothing of the hive's is in it
    backend._mark("h-alice")  # as after its creation
    assert list(backend.files(PLAIN, places)) == [conf]  # nothing is kept
    conf.write_text(next(iter(backend.files(PLAIN, places).values())))
    for _ in range(2):
        backend.forget("h-alice", places)
        variables = read_conf(conf.read_text())
        assert variables["EXTRA_NSPAWN_FLAGS"] == ""
        assert (variables["PRIVATE_NETWORK"], variables["FLAKE"]) == (
            *("0", read_conf(CREATED)["FLAKE"]),
        )
        assert "hive-c0re" not in conf.read_text()
    backend.forget("h-nobody", places)


def test_a_container_that_an_earlier_version_has_made_is_known_by_its_binds(tmp_path: Path) -> None:
    places = Places.below(tmp_path / "run", tmp_path / "systemd")
    conf = tmp_path / "h-alice.conf"
    bind = f"--bind-ro={places.guest_units('h-alice')}/x:/x"
    conf.write_text(f'PRIVATE_NETWORK=0\nEXTRA_NSPAWN_FLAGS="{bind}"\n')
    backend = NixosContainer(places=NixosPlaces(tmp_path))
    assert list(backend.files(PLAIN, places)) == [conf]
    backend.forget("h-alice", places)
    assert read_conf(conf.read_text())["EXTRA_NSPAWN_FLAGS"] == ""
