"""Rewriting the `.conf` file of a NixOS container."""

from hive.machines.systemd.nixos_container import CLEARED, read_conf, rewrite_conf

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
    assert rewrite_conf("# by hand\n", flags=FLAGS).startswith("# by hand\n")


def test_rewriting_again_changes_nothing() -> None:
    once = rewrite_conf(CREATED, flags=FLAGS)
    assert rewrite_conf(once, flags=FLAGS) == once


def test_no_variable_is_written_twice() -> None:
    lines = rewrite_conf(CREATED, flags=FLAGS).splitlines()
    names = [line.partition("=")[0] for line in lines]
    assert len(names) == len(set(names))
