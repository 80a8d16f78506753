"""The contents of the generated files."""

from pathlib import Path

import pytest
from attrs import evolve

from hive.config.model import Bind, MachineProtection, Network
from hive.errors import FailedError
from hive.machines.found_container import FoundContainer
from hive.machines.inside import SEARCH_PATH
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.agents_slice import slice_file
from hive.machines.systemd.container_settings import with_nspawn
from hive.machines.systemd.unit_files import (
    STOP_MARGIN,
    Settings,
    agent_unit,
    drop_in,
    environment,
    guest_files,
    nspawn_file,
    nspawn_flags,
    quote,
)

LOG = Path("/run/h/50%.log")

SPEC = MachineSpec(
    name="alice",
    command=("/opt/agent", "--say", 'a "b" $HOME 50%\n'),
    environment={"TOKEN": "x y", "HIVE_SOCKET": "/run/hyperhive/agents/alice/mcp.sock"},
    socket_dir=Path("/run/hyperhive/agents/alice"),
    state_dir=Path("/var/lib/hyperhive/agents/alice/state"),
    log_file=Path("/var/lib/hyperhive/agents/alice/output.log"),
    binds=(Bind(Path("/srv/a:b"), Path("/shared")), Bind(Path("/nix"), Path("/nix"), True)),
    stop_timeout=30.0,
    memory_max="4G",
    cpu_quota="200%",
    tasks_max=4096,
)
PLAIN = evolve(SPEC, binds=SPEC.binds[1:])
"""Without the bind whose path the start script of a NixOS container would change."""

GUEST = Path("/run/hyperhive/machines/h-alice")


def body(text: str) -> list[str]:
    first, *lines = text.splitlines()
    assert first.startswith("#")
    assert text.endswith("\n")
    return lines


def test_the_container_sees_its_socket_its_state_its_unit_and_its_binds() -> None:
    assert body(nspawn_file(SPEC, GUEST, Settings(), None)) == [
        "[Exec]",
        "Boot=yes",
        "PrivateUsers=no",
        "Environment=SYSTEMD_UNIT_PATH=/run/hive-units:",
        "[Files]",
        "BindReadOnly=/run/hyperhive/agents/alice:/run/hive",
        "Bind=/var/lib/hyperhive/agents/alice/state:/agents/alice/state",
        "Bind=/srv/a\\:b:/shared",
        "BindReadOnly=/nix:/nix",
        f"BindReadOnly={GUEST}:/run/hive-units",
        "[Network]",
        "Private=no",
        "VirtualEthernet=no",
    ]


@pytest.mark.parametrize(
    ("network", "private", "veth"),
    [(Network.HOST, "no", "no"), (Network.PRIVATE, "yes", "no"), (Network.VETH, "yes", "yes")],
)
def test_a_network_decides_private_and_veth(network: Network, private: str, veth: str) -> None:
    lines = body(nspawn_file(SPEC, GUEST, Settings(network=network), None))
    assert lines[-2:] == [f"Private={private}", f"VirtualEthernet={veth}"]


def test_a_container_with_its_own_command_gets_only_variables() -> None:
    spec = evolve(SPEC, command=())
    assert guest_files(spec) == {}
    lines = body(nspawn_file(spec, GUEST, Settings(), None))
    assert "Environment=TOKEN=x y" in lines
    assert "Environment=HIVE_SOCKET=/run/hive/mcp.sock" in lines
    assert not [line for line in lines if "hive-units" in line]


def test_systemd_never_restarts_it_and_never_cuts_its_drain_short() -> None:
    assert body(drop_in(SPEC, MachineProtection(), LOG)) == [
        "[Unit]",
        "StartLimitIntervalSec=0",
        "[Service]",
        "Restart=no",
        "RestartForceExitStatus=",
        "SuccessExitStatus=",
        "Environment=SYSTEMD_LOG_TARGET=console",
        "StandardError=append:/run/h/50%%.log",
        "WatchdogSec=0",
        "TimeoutStartSec=90s",
        f"TimeoutStopSec={30 + STOP_MARGIN:g}s",
        "Slice=machine-hyperhive.slice",
        "OOMScoreAdjust=500",
        "LogRateLimitIntervalSec=250ms",
        "LogRateLimitBurst=250",
        "MemoryMax=4G",
        "CPUQuota=200%",
        "TasksMax=4096",
    ]


def test_without_limits_none_are_set() -> None:
    spec = evolve(SPEC, memory_max=None, cpu_quota=None, tasks_max=None)
    text = drop_in(spec, MachineProtection(), LOG)
    assert not [key for key in ("MemoryMax", "CPUQuota", "TasksMax") if key in text]


@pytest.mark.parametrize(("lines", "burst"), [(1000, 250), (2, 1), (1, 1), (4000, 1000)])
def test_a_container_may_print_its_lines_in_each_quarter_of_a_second(
    lines: int, burst: int
) -> None:
    text = drop_in(SPEC, MachineProtection(log_lines=lines), LOG)
    assert f"LogRateLimitBurst={burst}\n" in text


def test_all_containers_share_the_limits_of_one_slice() -> None:
    protection = MachineProtection(memory_high="8G", memory_max="10G", tasks_max="20000")
    assert body(slice_file(protection)) == [
        "[Unit]",
        "Description=All containers of hyperhive",
        "[Slice]",
        "MemoryHigh=8G",
        "MemoryMax=10G",
        "TasksMax=20000",
    ]


def test_the_container_ends_with_its_agent() -> None:
    lines = body(agent_unit(SPEC))
    assert lines[lines.index("[Unit]") + 2 : lines.index("[Service]")] == [
        "SuccessAction=exit",
        "FailureAction=exit",
    ]


def test_programs_are_looked_up_on_nixos_and_in_ordinary_images() -> None:
    assert f"ExecSearchPath={SEARCH_PATH}" in body(agent_unit(SPEC))
    assert {"/run/current-system/sw/bin", "/usr/bin"} <= {*SEARCH_PATH.split(":")}


def test_the_path_of_the_manifest_is_that_of_the_agent_and_of_its_program() -> None:
    lines = body(agent_unit(evolve(SPEC, environment={"PATH": "/opt/100%:/bin"})))
    assert "ExecSearchPath=/opt/100%%:/bin" in lines
    assert 'Environment="PATH=/opt/100%%:/bin"' in lines


def test_the_agent_gets_its_arguments_and_variables_unchanged() -> None:
    lines = body(agent_unit(SPEC))
    assert r'ExecStart=:"/opt/agent" "--say" "a \"b\" $HOME 50%%\n"' in lines
    assert 'Environment="TOKEN=x y"' in lines
    assert "TimeoutStopSec=30s" in lines


def test_paths_are_those_inside_the_container() -> None:
    assert environment(SPEC) == {
        "TOKEN": "x y",
        "HIVE_NAME": "alice",
        "HIVE_SOCKET": "/run/hive/mcp.sock",
        "HIVE_STATE": "/agents/alice/state",
    }


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        (None, "/agents/alice/state"),
        (SPEC.state_dir / "work", "/agents/alice/state/work"),
        (Path("/srv/100%"), "/srv/100%%"),
    ],
)
def test_the_working_directory_of_the_agent_is_inside_the_container(
    outside: Path | None, inside: str
) -> None:
    assert f"WorkingDirectory={inside}" in body(agent_unit(evolve(SPEC, working_directory=outside)))


@pytest.mark.parametrize(
    ("word", "quoted"),
    [("", '""'), ("%i", '"%%i"'), ("a\tb", r'"a\tb"'), ("\x1b", r'"\u001b"'), ("é", '"é"')],
)
def test_words_are_quoted_for_systemd(word: str, quoted: str) -> None:
    assert quote(word) == quoted


def test_nixos_gets_the_binds_as_flags() -> None:
    spec = evolve(SPEC, binds=(Bind(Path("/nix"), Path("/nix"), True),))
    assert nspawn_flags(spec, GUEST).split(" ") == [
        "--bind-ro=/run/hyperhive/agents/alice:/run/hive",
        "--bind=/var/lib/hyperhive/agents/alice/state:/agents/alice/state",
        "--bind-ro=/nix:/nix",
        f"--bind-ro={GUEST}/hive-agent.service:/run/systemd/system/hive-agent.service",
        f"--bind-ro={GUEST}/multi-user.target.d/hive-agent.conf"
        ":/run/systemd/system/multi-user.target.d/hive-agent.conf",
        f"--bind-ro={GUEST}/console-getty.service.d/hive-agent.conf"
        ":/run/systemd/system/console-getty.service.d/hive-agent.conf",
    ]


def test_nixos_gets_the_variables_of_a_container_with_its_own_command() -> None:
    flags = nspawn_flags(evolve(SPEC, command=(), environment={"A": "1"}, binds=()), GUEST)
    assert "--setenv=A=1 --setenv=HIVE_NAME=alice" in flags


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/srv/a:b", "/srv/a\\:b"),
        ("/srv/a\\b", "/srv/a\\\\b"),
        ("/srv/a\\", "/srv/a\\\\"),
        ("/srv/a\\:b", "/srv/a\\\\\\:b"),
        ("/srv/100%", "/srv/100%"),
        ("/srv/two words", "/srv/two words"),
    ],
)
def test_a_bind_is_escaped_for_nspawn_and_read_back_as_it_was(path: str, written: str) -> None:
    bind = Bind(Path(path), Path(path))
    lines = body(nspawn_file(evolve(SPEC, binds=(bind,)), GUEST, Settings(), None))
    assert f"Bind={written}:{written}" in lines
    found = with_nspawn(FoundContainer(machine="m", unit="u"), "\n".join(lines))
    assert bind in found.binds, "what is written is also what `adopt` reads"


EXTRAS = evolve(
    SPEC,
    binds=(),
    capabilities=("CAP_NET_ADMIN", "CAP_SYS_PTRACE"),
    devices=("/dev/kvm", "/dev/net/tun rw"),
    tmpfs=("/scratch:size=2G,mode=0700", "/more"),
    ephemeral=True,
    start_timeout=240.0,
)


def test_nspawn_gets_all_that_an_agent_has_besides() -> None:
    lines = body(nspawn_file(EXTRAS, GUEST, Settings(), None))
    execution, files = lines.index("[Exec]"), lines.index("[Files]")
    assert {"Ephemeral=yes", "Capability=CAP_NET_ADMIN CAP_SYS_PTRACE"} < {
        *lines[execution:files],
    }
    assert {
        *("Bind=/dev/kvm:/dev/kvm", "Bind=/dev/net/tun:/dev/net/tun"),
        *("TemporaryFileSystem=/scratch:size=2G,mode=0700", "TemporaryFileSystem=/more"),
    } < {*lines[files:]}
    bridged = evolve(EXTRAS, network=Network.VETH, bridge="br0")
    assert "Bridge=br0" in body(nspawn_file(bridged, GUEST, Settings(), None))


def test_nixos_gets_all_that_an_agent_has_besides() -> None:
    flags = nspawn_flags(EXTRAS, GUEST).split(" ")
    assert {
        *("--bind=/dev/kvm:/dev/kvm", "--bind=/dev/net/tun:/dev/net/tun"),
        *("--tmpfs=/scratch:size=2G,mode=0700", "--tmpfs=/more"),
        *("--capability=CAP_NET_ADMIN,CAP_SYS_PTRACE", "--ephemeral"),
    } < {*flags}


def test_the_drop_in_allows_devices_and_gives_time_to_boot() -> None:
    lines = body(drop_in(EXTRAS, MachineProtection(), LOG))
    assert [line for line in lines if line.startswith("Device")] == [
        "DeviceAllow=/dev/kvm rwm",
        "DeviceAllow=/dev/net/tun rw",
    ]
    assert "TimeoutStartSec=240s" in lines


@pytest.mark.parametrize("place", ["source", "target"])
@pytest.mark.parametrize("character", list(":\\ $*\"'`;&|<>(){}[]?!~#\t\n"))
def test_no_path_that_nixos_would_change_is_given_to_it(place: str, character: str) -> None:
    paths = {"source": Path("/srv/plain"), "target": Path("/plain")}
    paths[place] = Path(f"/srv/a{character}b")
    with pytest.raises(FailedError, match="use a plainer path or value"):
        nspawn_flags(evolve(SPEC, binds=(Bind(**paths),)), GUEST)


@pytest.mark.parametrize("path", ["/with space", "/with$dollar", "/with*star", '/with"quote'])
def test_a_path_that_the_start_script_would_split_is_refused(path: str) -> None:
    spec = evolve(SPEC, binds=(Bind(Path(path), Path("/x")),))
    with pytest.raises(FailedError, match=r"alice.*use a plainer path"):
        nspawn_flags(spec, GUEST)
    with pytest.raises(FailedError, match="plainer path or value"):
        nspawn_flags(evolve(SPEC, command=(), binds=()), GUEST)


def test_an_agents_own_network_and_ports_replace_those_of_the_hive() -> None:
    spec = evolve(SPEC, network=Network.VETH, ports=("tcp:8080:80", "53"))
    lines = body(nspawn_file(spec, GUEST, Settings(network=Network.PRIVATE), None))
    assert lines[lines.index("[Network]") :] == [
        "[Network]",
        "Private=yes",
        "VirtualEthernet=yes",
        "Port=tcp:8080:80",
        "Port=53",
    ]


def test_credentials_are_a_directory_from_which_the_systemd_inside_loads_them() -> None:
    spec = evolve(SPEC, credentials={"token": Path("/etc/hive/token")})
    assert "LoadCredential=token:/run/hive-credentials/token" in body(agent_unit(spec))
    bind = f"{GUEST}/credentials:/run/hive-credentials"
    assert f"BindReadOnly={bind}" in body(nspawn_file(spec, GUEST, Settings(), None))
    plain = evolve(spec, binds=())
    assert f"--bind-ro={bind}" in nspawn_flags(plain, GUEST).split()
    assert "/etc/hive/token" not in agent_unit(spec) + nspawn_file(spec, GUEST, Settings(), None)
    assert "credential" not in agent_unit(SPEC) + nspawn_file(SPEC, GUEST, Settings(), None)


@pytest.mark.parametrize("path", ["/bin\nUser=nobody", "/bin\\", "/bin\r"])
def test_a_search_path_cannot_add_a_line_to_the_unit_or_swallow_the_next(path: str) -> None:
    with pytest.raises(FailedError, match="cannot stand in a unit file"):
        agent_unit(evolve(SPEC, environment={"PATH": path}))
