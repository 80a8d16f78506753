"""What of a manifest a hive cannot carry out."""

from pathlib import Path

import pytest

from hive.config import AgentManifest, Bind, Containers, HiveConfig, Limits, Network, RuntimeName
from hive.config.fitting import container_misfits, misfits

MACHINECTL = HiveConfig(RuntimeName.MACHINECTL)
NIXOS = HiveConfig(RuntimeName.NIXOS_CONTAINER)
PROCESS = HiveConfig()


BESIDES: dict[str, object] = {
    "capabilities": ("CAP_NET_ADMIN",),
    "devices": ("/dev/kvm",),
    "tmpfs": ("/scratch",),
    "ephemeral": True,
    "start_timeout": 240.0,
}
"""What an agent may have under every runtime that has containers."""


def keys(config: HiveConfig, **settings: object) -> list[str]:
    return [key for key, _ in misfits(AgentManifest(run=("x",), **settings), config)]


@pytest.mark.parametrize(
    ("config", "settings", "wrong"),
    [
        (PROCESS, {}, []),
        (PROCESS, {"network": Network.HOST}, []),
        (PROCESS, {"network": Network.PRIVATE}, ["network"]),
        (PROCESS, {"image": "debian", "ports": ("80",)}, ["image", "ports"]),
        (NIXOS, {"network": Network.HOST, "flake": "/f"}, []),
        (NIXOS, {"network": Network.VETH, "ports": ("80",)}, ["ports", "network"]),
        (NIXOS, {"private_users": True}, ["private_users"]),
        (MACHINECTL, {"network": Network.VETH, "ports": ("80",), "image": "debian"}, []),
        (MACHINECTL, {"network": Network.PRIVATE, "ports": ("80",)}, ["ports"]),
        (MACHINECTL, {"ports": ("80",)}, ["ports"]),
        (MACHINECTL, {"flake": "/f"}, ["flake"]),
        (MACHINECTL, {"bridge": "br0"}, ["bridge"]),
        (MACHINECTL, {"bridge": "br0", "network": Network.VETH}, []),
        (NIXOS, {"bridge": "br0"}, ["bridge"]),
        (NIXOS, {"private_users": False}, ["private_users"]),
        *((hive, BESIDES, []) for hive in (MACHINECTL, NIXOS)),
        (PROCESS, BESIDES, list(BESIDES)),
    ],
)
def test_each_runtime_has_its_keys(
    config: HiveConfig, settings: dict[str, object], wrong: list[str]
) -> None:
    assert keys(config, **settings) == wrong


def test_ports_need_the_network_in_force() -> None:
    hive = HiveConfig(RuntimeName.MACHINECTL, Containers(network=Network.VETH))
    assert keys(hive, ports=("tcp:8080:80",)) == []
    assert keys(hive, ports=("80",), network=Network.HOST) == ["ports"]


def test_a_turn_may_not_outlast_the_lease() -> None:
    hive = HiveConfig(limits=Limits(lease_seconds=300.0))
    assert keys(hive) == ["time_limit"]
    assert keys(hive, time_limit=299.0) == []
    assert list(misfits(AgentManifest(exec=("x",)), hive)) == []


def test_containers_of_a_hive_fit_its_runtime() -> None:
    containers = Containers(image="debian", network=Network.VETH, private_users=True)
    nixos = HiveConfig(RuntimeName.NIXOS_CONTAINER, containers)
    assert [key for key, _ in container_misfits(nixos)] == ["image", "private_users", "network"]
    assert not list(container_misfits(HiveConfig(RuntimeName.MACHINECTL, containers)))


ODD = tuple(":\\ $*\"'`;&|<>(){}[]?!~#\t")


@pytest.mark.parametrize("place", ["source", "target"])
@pytest.mark.parametrize("character", ODD)
def test_a_bind_that_nixos_would_change_is_refused_with_its_field(
    place: str, character: str
) -> None:
    paths = {"source": Path("/srv/plain"), "target": Path("/plain")}
    paths[place] = Path(f"/srv/a{character}b")
    binds = (Bind(Path("/data"), Path("/data")), Bind(**paths))
    [(key, sentence)] = misfits(AgentManifest(run=("x",), binds=binds), NIXOS)
    assert key == "bind"
    assert f"the {place} of bind[1], {str(paths[place])!r}, has {character!r}" in sentence
    assert keys(MACHINECTL, binds=binds) == [], "nspawn's own files can say it"
    hive = HiveConfig(RuntimeName.NIXOS_CONTAINER, Containers(binds=binds))
    assert [key for key, _ in container_misfits(hive)] == ["bind"]
