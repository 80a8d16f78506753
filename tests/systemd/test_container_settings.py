"""What a container is, read from its files and its unit; and the manifest that is proposed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hive.config import AgentManifest, Containers, HiveConfig, RuntimeName, read_manifest
from hive.config.model import Bind, Network
from hive.errors import FailedError
from hive.machines.found_container import FoundContainer
from hive.machines.systemd.container_reader import SystemdContainerReader
from hive.machines.systemd.container_settings import (
    machine_of,
    of_unit,
    seconds,
    with_conf,
    with_nspawn,
)
from hive.machines.systemd.nixos_places import NixosPlaces
from hive.participants.manifest_proposal import AgentProgram, propose_manifest
from hive.subprocesses import Outcome

UNIT = "container@damocles.service"

SHOWN = f"""\
Id={UNIT}
LoadState=loaded
FragmentPath=/etc/systemd/system/{UNIT}
TimeoutStopUSec=1min
RestartUSec=5s
MemoryMax=infinity
CPUQuotaPerSecUSec=infinity
TasksMax=16384
"""
"""What `systemctl show` prints of damocles: `TimeoutStopSec = 60s`, `RestartSec = 5s`."""

CONF = """\
SYSTEM_PATH=/nix/store/abc-nixos-system-damocles
EXTRA_NSPAWN_FLAGS=" --bind-ro=/etc/nix/distributed-build-key:/etc/nix/distributed-build-key \
--bind=/persist/damocles-lab:/persist/damocles-lab \
--bind-ro=/persist/damocles-ssh:/persist/damocles-ssh \
--bind-ro=/run/hyperhive/agents/damocles:/run/hive"
"""
"""The file that NixOS makes of `containers.damocles`, with the bind of the hive's socket."""

BINDS = (
    Bind(Path("/etc/nix/distributed-build-key"), Path("/etc/nix/distributed-build-key"), True),
    Bind(Path("/persist/damocles-lab"), Path("/persist/damocles-lab")),
    Bind(Path("/persist/damocles-ssh"), Path("/persist/damocles-ssh"), True),
)


def shown(text: str = SHOWN, **changes: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines()) | changes


def damocles() -> FoundContainer:
    return with_conf(of_unit(shown(), "damocles"), CONF, declared=True)


def test_damocles_is_read_as_its_document_describes_it() -> None:
    found = damocles()
    assert found.declared
    assert (found.stop_timeout, found.restart_delay) == (60.0, 5.0)
    assert found.network is Network.HOST
    assert found.private_users is False
    assert found.unread == ()
    assert (found.memory_max, found.cpu_quota, found.tasks_max) == (None, None, None)


MACHINECTL = HiveConfig(runtime=RuntimeName.MACHINECTL)
NIXOS = HiveConfig(
    runtime=RuntimeName.NIXOS_CONTAINER, containers=Containers(flake="/etc/hive#{name}")
)


def manifest_of(found: FoundContainer, program: AgentProgram = AgentProgram()) -> AgentManifest:  # noqa: B008
    text = propose_manifest(found, program, "the day job", MACHINECTL).text
    return read_manifest(text, Path("/agent.toml"), MACHINECTL)


def test_the_manifest_that_is_proposed_for_damocles_says_all_of_it() -> None:
    manifest = manifest_of(damocles())
    assert manifest.binds == BINDS  # without the socket's, which every agent has
    assert manifest.stop_timeout == 60.0
    assert manifest.restart is not None
    assert manifest.restart.base == 5.0
    assert (manifest.driver, manifest.description) == ("claude", "the day job")
    assert manifest.private_users is False


def test_a_program_is_started_for_each_message_if_one_is_named() -> None:
    manifest = manifest_of(damocles(), AgentProgram(run=("say", 'a "word"')))
    assert (manifest.driver, manifest.run) == ("command", ("say", 'a "word"'))


IMPERATIVE = """\
PRIVATE_NETWORK=1
HOST_ADDRESS=10.233.1.1
LOCAL_ADDRESS=10.233.1.2
HOST_BRIDGE=
HOST_PORT=tcp:2222:22
AUTO_START=1
FLAKE=/etc/mine
EXTRA_NSPAWN_FLAGS="--bind=/data:/data --capability=CAP_NET_ADMIN --capability=all --tmpfs=/scratch"
"""
"""The file of a container that `nixos-container create` has made, and its owner has changed."""


def test_a_container_made_by_hand_is_proposed_as_its_hive_can_run_it_and_the_rest_is_named() -> (
    None
):
    template = shown(
        FragmentPath="/etc/systemd/system/container@.service",
        DropInPaths=f"/etc/systemd/system/{UNIT}.d/mine.conf /etc/systemd/system/{UNIT}.d/"
        "zz-hyperhive.conf /usr/lib/systemd/system/service.d/10-all.conf",
    )
    found = with_conf(of_unit(template, "damocles"), IMPERATIVE, declared=False)
    assert not found.declared
    proposal = propose_manifest(found, AgentProgram(), None, NIXOS)
    manifest = read_manifest(proposal.text, Path("/agent.toml"), NIXOS)
    assert manifest.binds == (Bind(Path("/data"), Path("/data")),)
    assert (manifest.network, manifest.private_users, manifest.flake) == (None, None, None)
    assert (manifest.capabilities, manifest.tmpfs) == (("CAP_NET_ADMIN",), ("/scratch",))
    assert proposal.notes == (
        *(
            f"it has {words}, which agent.toml does not say"
            for words in (
                f"the drop-in /etc/systemd/system/{UNIT}.d/mine.conf of its unit",
                "the flag --capability=all",
                "HOST_ADDRESS=10.233.1.1",
                "LOCAL_ADDRESS=10.233.1.2",
                "HOST_PORT=tcp:2222:22",
                "AUTO_START=1",
            )
        ),
        "the network 'veth' is for the runtime 'machinectl'; under 'nixos-container' agents use "
        "that of the host",
        "its system was built from the flake /etc/mine, and stays as it is until the first "
        "rebuild, which builds /etc/hive#{name}; 'flake' in agent.toml names another",
    )


def test_what_every_container_of_the_hive_is_anyway_is_no_note() -> None:
    template = shown(FragmentPath="/etc/systemd/system/container@.service")
    found = with_conf(of_unit(template, "damocles"), "PRIVATE_NETWORK=0\n", declared=False)
    [note] = propose_manifest(found, AgentProgram(), None, HiveConfig(runtime=NIXOS.runtime)).notes
    assert "built from its own /etc/nixos/configuration.nix" in note
    assert "which builds that again" in note


def test_flags_are_split_as_the_start_script_splits_them() -> None:
    text = """EXTRA_NSPAWN_FLAGS="--bind='/a b' $(reboot)"\n"""
    found = with_conf(of_unit(shown(), "damocles"), text, declared=False)
    assert found.binds == (Bind(Path("'/a"), Path("'/a")),)
    assert found.unread == ("the flag b'", "the flag $(reboot)")


NSPAWN = """\
[Exec]
Boot=yes
PrivateUsers=pick
Capability=CAP_NET_ADMIN CAP_SYS_PTRACE
Capability=all
Ephemeral=yes

[Files]
# a comment
TemporaryFileSystem=/scratch:size=2G
TemporaryFileSystem=/with "quotes"
Bind=/data
BindReadOnly=/a\\:b:/in side:idmap

[Network]
VirtualEthernet=yes
Bridge=br0
Port=tcp:2222:22
Port=53
MACVLAN=eth0
"""


def test_an_nspawn_file_is_read_and_what_is_not_understood_is_named() -> None:
    base = of_unit(shown(MemoryMax="1073741824", CPUQuotaPerSecUSec="1.5s", TasksMax="300"), "x")
    found = with_nspawn(base, NSPAWN)
    assert found.binds == (
        Bind(Path("/data"), Path("/data")),
        Bind(Path("/a:b"), Path("/in side"), True),
    )
    assert found.network is Network.VETH
    assert found.private_users
    assert (found.memory_max, found.cpu_quota, found.tasks_max) == (2**30, 150.0, 300)
    assert found.unread == (
        "Capability=all of [Exec]",
        'TemporaryFileSystem=/with "quotes" of [Files]',
        "MACVLAN=eth0 of [Network]",
    )
    proposal = propose_manifest(found, AgentProgram(), None, MACHINECTL)
    assert "it has MACVLAN=eth0 of [Network], which agent.toml does not say" in proposal.notes
    manifest = manifest_of(found)
    assert manifest.capabilities == ("CAP_NET_ADMIN", "CAP_SYS_PTRACE")
    assert (manifest.tmpfs, manifest.ephemeral) == (("/scratch:size=2G",), True)
    assert (manifest.bridge, manifest.ports) == ("br0", ("tcp:2222:22", "53"))
    assert (manifest.memory_max, manifest.cpu_quota) == ("1073741824", "150%")


@pytest.mark.parametrize(
    ("span", "value"),
    [
        ("1min 30s", 90.0),
        ("5s", 5.0),
        ("100ms", 0.1),
        ("2h", 7200.0),
        ("infinity", None),
        ("", None),
        ("3 moons", None),
        ("3moons", None),
    ],
)
def test_time_spans_are_those_of_systemd(span: str, value: float | None) -> None:
    assert seconds(span) == value


@pytest.mark.parametrize(
    ("subject", "machine"),
    [
        (UNIT, "damocles"),
        ("systemd-nspawn@h-alice.service", "h-alice"),
        ("damocles", "damocles"),
        ("sshd.service", None),
    ],
)
def test_the_machine_of_a_subject(subject: str, machine: str | None) -> None:
    assert machine_of(subject) == machine


def test_a_unit_of_a_template_is_not_declared() -> None:
    path = "/etc/systemd/system/container@.service"
    assert not of_unit(shown(FragmentPath=path), "damocles").declared
    assert not of_unit(shown(FragmentPath=""), "damocles").declared


# The reader


def reader(root: Path, *blocks: dict[str, str]) -> SystemdContainerReader:
    async def run(argv: tuple[str, ...], **_: Any) -> Outcome:
        text = "\n\n".join(
            "\n".join(f"{key}={value}" for key, value in block.items()) for block in blocks
        )
        return Outcome(argv, 0, text, "", 10.0)

    return SystemdContainerReader(
        run, (root / "nspawn",), NixosPlaces(root / "confs"), root / "images"
    )


TEMPLATE = {"FragmentPath": "/usr/lib/systemd/system/systemd-nspawn@.service"}


async def test_a_declared_container_is_found_by_its_link_into_the_store(tmp_path: Path) -> None:
    (tmp_path / "confs").mkdir()
    (tmp_path / "store.conf").write_text(CONF)
    (tmp_path / "confs" / "damocles.conf").symlink_to(tmp_path / "store.conf")
    template = shown(FragmentPath="/etc/systemd/system/container@.service")
    found = await reader(tmp_path, template).read(UNIT)
    assert found is not None
    assert found.declared
    assert found.binds[:3] == BINDS


async def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    conf = tmp_path / "confs" / "damocles.conf"
    conf.parent.mkdir()
    conf.write_bytes(b"\xff")
    template = shown(FragmentPath="/etc/systemd/system/container@.service")
    with pytest.raises(FailedError, match=f"{conf} is not UTF-8"):
        await reader(tmp_path, template).read(UNIT)


async def test_a_template_unit_without_files_is_no_container(tmp_path: Path) -> None:
    unit = shown(Id="systemd-nspawn@damocles.service", **TEMPLATE)
    nixos = shown(FragmentPath="/etc/systemd/system/container@.service")
    assert await reader(tmp_path, nixos, unit).read("damocles") is None
    assert await reader(tmp_path, shown(LoadState="not-found")).read("damocles") is None


async def test_an_image_and_its_nspawn_file_are_a_container_but_not_a_file_of_the_hive(
    tmp_path: Path,
) -> None:
    unit = shown(Id="systemd-nspawn@damocles.service", **TEMPLATE)
    (tmp_path / "images" / "damocles").mkdir(parents=True)
    (tmp_path / "nspawn").mkdir()
    file = tmp_path / "nspawn" / "damocles.nspawn"
    file.write_text(f"# Written by hive-c0re, and again before each start.\n{NSPAWN}")
    found = await reader(tmp_path, unit).read("damocles")
    assert found is not None
    assert found.binds == ()
    file.write_text(NSPAWN)
    found = await reader(tmp_path, unit).read("damocles")
    assert found is not None
    assert len(found.binds) == 2
