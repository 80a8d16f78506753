"""The contents of the generated files."""

from pathlib import Path

import pytest
from attrs import evolve

from hive.config.model import Bind, Network
from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.unit_files import (
    STOP_MARGIN,
    Settings,
    Users,
    agent_unit,
    drop_in,
    environment,
    guest_files,
    nspawn_file,
    nspawn_flags,
    quote,
)

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
)
GUEST = Path("/run/hyperhive/machines/h-alice")


def body(text: str) -> list[str]:
    first, *lines = text.splitlines()
    assert first.startswith("#")
    assert text.endswith("\n")
    return lines


def test_the_container_sees_its_socket_its_state_its_unit_and_its_binds() -> None:
    assert body(nspawn_file(SPEC, GUEST, Settings())) == [
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


def test_shifted_users_need_mapped_binds() -> None:
    lines = body(nspawn_file(SPEC, GUEST, Settings(users=Users.SHIFTED)))
    assert "PrivateUsers=pick" in lines
    assert "PrivateUsersOwnership=auto" in lines
    assert [line for line in lines if line.startswith("Bind") and not line.endswith(":idmap")] == []


@pytest.mark.parametrize(
    ("network", "private", "veth"),
    [(Network.HOST, "no", "no"), (Network.PRIVATE, "yes", "no"), (Network.VETH, "yes", "yes")],
)
def test_a_network_decides_private_and_veth(network: Network, private: str, veth: str) -> None:
    lines = body(nspawn_file(SPEC, GUEST, Settings(network=network)))
    assert lines[-2:] == [f"Private={private}", f"VirtualEthernet={veth}"]


def test_a_container_with_its_own_command_gets_only_variables() -> None:
    spec = evolve(SPEC, command=())
    assert guest_files(spec) == {}
    lines = body(nspawn_file(spec, GUEST, Settings()))
    assert "Environment=TOKEN=x y" in lines
    assert "Environment=HIVE_SOCKET=/run/hive/mcp.sock" in lines
    assert not [line for line in lines if "hive-units" in line]


def test_systemd_never_restarts_it_and_never_cuts_its_drain_short() -> None:
    assert body(drop_in(SPEC)) == [
        "[Unit]",
        "StartLimitIntervalSec=0",
        "[Service]",
        "Restart=no",
        "RestartForceExitStatus=",
        "SuccessExitStatus=",
        "Environment=SYSTEMD_LOG_TARGET=console",
        f"TimeoutStopSec={30 + STOP_MARGIN:g}s",
        "MemoryMax=4G",
        "CPUQuota=200%",
    ]


def test_without_limits_none_are_set() -> None:
    text = drop_in(evolve(SPEC, memory_max=None, cpu_quota=None))
    assert "MemoryMax" not in text
    assert "CPUQuota" not in text


def test_the_container_ends_with_its_agent() -> None:
    lines = body(agent_unit(SPEC))
    assert lines[lines.index("[Unit]") + 2 : lines.index("[Service]")] == [
        "SuccessAction=exit",
        "FailureAction=exit",
    ]


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
    ]


def test_nixos_gets_the_variables_of_a_container_with_its_own_command() -> None:
    flags = nspawn_flags(evolve(SPEC, command=(), environment={"A": "1"}, binds=()), GUEST)
    assert "--setenv=A=1 --setenv=HIVE_NAME=alice" in flags


@pytest.mark.parametrize("path", ["/with space", "/with$dollar", "/with*star", '/with"quote'])
def test_a_path_that_the_start_script_would_split_is_refused(path: str) -> None:
    spec = evolve(SPEC, binds=(Bind(Path(path), Path("/x")),))
    with pytest.raises(FailedError, match=r"alice.*use a plainer path"):
        nspawn_flags(spec, GUEST)
    with pytest.raises(FailedError, match="plainer path or value"):
        nspawn_flags(evolve(SPEC, command=(), binds=()), GUEST)
