"""What a container of the existing hive has today can be said in a manifest."""

from pathlib import Path

import pytest

from hive.config import HiveConfig, load, manifest_to_json
from hive.config.model import MachineProtection
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.nixos_conf import read_conf
from hive.machines.systemd.nixos_container import NixosContainer
from hive.machines.systemd.nixos_places import NixosPlaces
from hive.machines.systemd.unit_files import STOP_MARGIN, Settings, agent_unit, drop_in, nspawn_file
from hive.participants.machine_specs import MachineDefaults, container_harness, spec_of
from hive.participants.participant import Agent, new_agent
from hive.participants.supervision import restart_delays
from hive.paths import Paths

MANIFEST = """
runtime = "RUNTIME"

[agents.damocles]
exec = ["/run/current-system/sw/bin/day-job"]
network = "host"
stop_timeout = "60s"
project = "day-job"

[agents.damocles.restart]
base = "5s"
factor = 1
jitter = 0

[[agents.damocles.bind]]
source = "/etc/nix/distributed-build-key"
target = "/etc/nix/distributed-build-key"
read_only = true

[[agents.damocles.bind]]
source = "/persist/damocles-ssh"
target = "/home/damocles/.ssh"
read_only = true

[[agents.damocles.bind]]
source = "/persist/damocles-lab"
target = "/lab"
"""

GUEST = Path("/run/hyperhive/machines/h-damocles")


def read(tmp_path: Path, runtime: str) -> tuple[HiveConfig, Agent, MachineSpec]:
    path = tmp_path / "hive.toml"
    path.write_text(MANIFEST.replace("RUNTIME", runtime))
    config = load(path)
    manifest = config.agents["damocles"]
    assert manifest_to_json(manifest).count("/persist/damocles-") == 2
    agent = Agent(new_agent("damocles", manifest, 1.0))
    paths = Paths(Path("/run/hyperhive"), Path("/var/lib/hyperhive"))
    return config, agent, spec_of(paths, MachineDefaults(container_harness(None)))(agent)


@pytest.mark.parametrize("runtime", ["machinectl", "nixos-container"])
def test_it_stops_within_a_minute_and_restarts_after_five_seconds(
    tmp_path: Path, runtime: str
) -> None:
    config, agent, spec = read(tmp_path, runtime)
    assert "TimeoutStopSec=60s" in agent_unit(spec).splitlines()
    assert f"TimeoutStopSec={60 + STOP_MARGIN:g}s" in drop_in(
        spec, MachineProtection(), Path("/run/log")
    )
    assert set(restart_delays(agent, config.restart)) == {5.0}


def test_under_machinectl_it_has_its_binds_and_the_network_of_the_host(tmp_path: Path) -> None:
    _, _, spec = read(tmp_path, "machinectl")
    lines = nspawn_file(spec, GUEST, Settings(), None).splitlines()
    assert [line for line in lines if "persist" in line or "build-key" in line] == [
        "BindReadOnly=/etc/nix/distributed-build-key:/etc/nix/distributed-build-key",
        "BindReadOnly=/persist/damocles-ssh:/home/damocles/.ssh",
        "Bind=/persist/damocles-lab:/lab",
    ]
    assert lines[lines.index("[Network]") :] == [
        "[Network]",
        "Private=no",
        "VirtualEthernet=no",
    ]


def test_under_nixos_it_has_the_same(tmp_path: Path) -> None:
    _, _, spec = read(tmp_path, "nixos-container")
    (tmp_path / "h-damocles.conf").write_text("PRIVATE_NETWORK=1\nLOCAL_ADDRESS=10.0.0.2\n")
    places = Places.below(Path("/run/hyperhive"))
    backend = NixosContainer(places=NixosPlaces(tmp_path))
    text = backend.files(spec, places)[tmp_path / "h-damocles.conf"]
    conf = read_conf(text)
    assert (conf["PRIVATE_NETWORK"], conf["LOCAL_ADDRESS"]) == ("0", "")
    flags = conf["EXTRA_NSPAWN_FLAGS"].split()
    assert [flag for flag in flags if "persist" in flag or "build-key" in flag] == [
        "--bind-ro=/etc/nix/distributed-build-key:/etc/nix/distributed-build-key",
        "--bind-ro=/persist/damocles-ssh:/home/damocles/.ssh",
        "--bind=/persist/damocles-lab:/lab",
    ]
