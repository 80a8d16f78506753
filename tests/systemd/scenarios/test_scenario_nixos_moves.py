"""A NixOS container that was made by hand, as damocles moves: apart, peer, agent, and back.

The daemon is killed in the middle of each move, and there is mail on the way.
"""

import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hive.machines.systemd.nixos_conf import read_conf
from hive.machines.systemd.nixos_places import NixosPlaces
from hive.machines.systemd.nixos_rename import NixosRename, move_durably
from tests.support.daemons import PROGRAMS, eventually
from tests.systemd import nixos
from tests.systemd.host.lab import PROGRAMS as BINDS
from tests.systemd.scenarios.hives import shown
from tests.systemd.scenarios.nixos_hives import BUILD, NixosHive, needs_nix
from tests.testbed.host import ROOT

pytestmark = needs_nix

APART, OWN = "container@workbench.service", "container@h-workbench.service"
CONF = nixos.CONFS / "h-workbench.conf"
SYSTEM = ("cat", "/run/current-system/nixos-version")
PAGE = (ROOT / "docs" / "migrating-damocles.md").read_text()
[SECTION] = re.findall(r"## A NixOS container that you made\n.*?```sh\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    tuple(shlex.split(line.replace("damocles", "workbench"))[1:]) for line in SECTION.splitlines()
]
"""The commands of the page; what the agent runs is added to those that adopt it."""
REGISTER, LOOK, ADOPT, APPROVE, RELEASE, UNREGISTER = COMMANDS

ANSWERING = ("sh", "-c", "cat >/dev/null; cat /mine /run/current-system/nixos-version")


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[NixosHive]:
    made = NixosHive(tmp_path, "")
    made.config.write_text(made.config.read_text().replace("#{name}", "#container"))
    yield made
    made.close()


def inside(machine: str, *argv: str) -> str:
    """Return what a program prints in a container; nothing if it cannot run."""
    command = ("systemd-run", f"--machine={machine}", "--wait", "--pipe", "--quiet", *argv)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def make_workbench(hive: NixosHive) -> dict[str, str]:
    """Make and start a container as an operator does; return the variables of its file."""
    hive.nixos_container("create", "workbench", "--flake", f"{hive.flake}#container")
    binds = [f"--bind-ro={bind.source}" for bind in BINDS if bind.source != Path("/usr")]
    socket = f"--bind-ro={hive.run_dir}/agents/workbench:/run/hive"
    data = hive.root / "data"
    data.mkdir()
    flags = " ".join([*binds, socket, f"--bind={data}:/data", "--setenv=MINE=1"])
    conf = nixos.CONFS / "workbench.conf"
    text = conf.read_text().replace("PRIVATE_NETWORK=1", "PRIVATE_NETWORK=0")
    text = text.replace("HOST_ADDRESS=", "#HOST_ADDRESS=").replace("LOCAL_ADDRESS=", "#LOCAL=")
    conf.write_text(f'{text}EXTRA_NSPAWN_FLAGS="{flags}"\n')
    hive.nixos_container("start", "workbench")
    inside("workbench", "sh", "-c", "echo kept >/mine")
    return read_conf(conf.read_text())


def in_background(hive: NixosHive, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [PROGRAMS / "hive-c0re", *arguments], env=hive.env, stdout=-3, stderr=-3
    )


class Stop(BaseException):
    """A kill in the middle of a rename."""


def rename_in_part() -> None:
    """Do what a daemon has done of a rename that is killed after its second step."""
    left = [2]

    def move(before: Path, after: Path) -> None:
        if not left[0]:
            raise Stop
        left[0] -= 1
        move_durably(before, after)

    with pytest.raises(Stop):
        NixosRename(NixosPlaces(), "workbench", "h-workbench", move).carry_out()


def test_from_apart_to_peer_to_agent_and_back_with_mail_on_the_way(hive: NixosHive) -> None:
    hive.start()
    hive.ok(*REGISTER)
    hive.kill()
    before = make_workbench(hive)
    hive.start()
    sent = [hive.ask("send", to="workbench", body=body)["id"] for body in ("one", "two")]
    program = ("--setenv=HIVE_SOCKET=/run/hive/mcp.sock", str(PROGRAMS / "hive-ag3nt"))
    eventually(lambda: inside("workbench", *program, "whoami"), what="workbench at its socket")
    with socket.socket(socket.AF_UNIX) as session:
        session.connect(str(hive.socket_of("workbench")))
        session.sendall(b'{"cmd":"recv","max":1}\n')
        assert b'"one"' in session.recv(65536), "it is leased, and never acked"
        from_peer_to_agent(hive)
    assert [hive.answer_to(id_) for id_ in sent] == ["kept\n1"] * 2, "its system has stayed"
    assert read_conf(CONF.read_text())["FLAKE"] == before["FLAKE"]
    hive.ok("rebuild", "workbench")
    assert hive.answer("workbench") == "kept\n2", "the first rebuild is from the flake of the hive"
    from_agent_to_peer(hive, before)
    with_its_name_once_more(hive, before)
    apart(hive)


def from_peer_to_agent(hive: NixosHive) -> None:
    """Adopt it; the daemon is killed while it is stopped and renamed."""
    nixos.release(hive.flake, "2")
    dry = hive.ok(*LOOK, "--", *ANSWERING)
    assert str(hive.root / "data") in dry
    refused = hive.run("adopt", "workbench", "--yes", "--", *ANSWERING)
    assert "the container workbench runs" in refused.stderr
    assert inside("workbench", *SYSTEM) == "1\n"
    hive.ok(*ADOPT, "--", *ANSWERING)
    approving = in_background(hive, *APPROVE)
    eventually(lambda: shown(APART, "ActiveState") != "active", what="its stop")
    hive.kill()
    approving.wait()
    eventually(lambda: shown(APART, "ActiveState") in {"inactive", "failed"}, what="its end")
    if (nixos.CONFS / "workbench.conf").exists():
        rename_in_part()
        assert hive.containers() == [], "there is nothing that anybody could start"
    hive.start()
    hive.until_state("workbench", "running", within=BUILD)
    assert hive.containers() == ["h-workbench"]
    assert shown(OWN, "Restart") == "no"


def from_agent_to_peer(hive: NixosHive, before: dict[str, str]) -> None:
    """Release it; the daemon is killed meanwhile. It runs on, in its unit and file as they were."""
    instance = shown(OWN, "InvocationID")
    releasing = in_background(hive, *RELEASE)
    eventually(lambda: is_released(hive), what="a peer")
    hive.kill()
    releasing.wait()
    hive.start()
    id_ = hive.ask("send", to="workbench", body="hello")["id"]
    assert shown(OWN, "InvocationID") == instance
    assert_given_back(before)
    row = hive.until_state("workbench", "connected")
    assert (row["kind"], row["observed"]) == ("peer", f"{OWN} is active (running)")
    assert hive.answer_to(id_) == "kept\n2", "it is the same program, as a peer"


def with_its_name_once_more(hive: NixosHive, before: dict[str, str]) -> None:
    """Adopt and release the container, which has the name of an agent's now."""
    hive.nixos_container("stop", "h-workbench")
    hive.until_state("workbench", "away")
    assert "keeps its container h-workbench" in hive.ok("adopt", "workbench", "--", *ANSWERING)
    hive.ok("approve", "2")
    assert hive.answer("workbench") == "kept\n2"
    hive.ok("release", "workbench")
    assert_given_back(before)


def apart(hive: NixosHive) -> None:
    """Unregister it: the container is its owner's again, with its data."""
    hive.nixos_container("stop", "h-workbench")
    hive.until_state("workbench", "away")
    hive.ok(*UNREGISTER)
    hive.nixos_container("start", "h-workbench")
    assert inside("h-workbench", "cat", "/mine") == "kept\n"


def is_released(hive: NixosHive) -> bool:
    """Return whether the release is on disk: status shows the peer a moment before."""
    return any(entry["verb"] == "release" for entry in hive.json("audit", "workbench"))


def assert_given_back(before: dict[str, str]) -> None:
    """Require that nothing of the hive is left about the container, once it is given back."""
    eventually(lambda: what_is_left(before) == {}, what=f"{before}, not {what_is_left(before)}")


def what_is_left(before: dict[str, str]) -> dict[str, Any]:
    """Return what differs from a container that the hive has nothing to do with."""
    untouched = "container@nobody.service"
    keys = ("Restart", "TimeoutStopUSec", "RestartForceExitStatus", "DropInPaths")
    shows = {key: (shown(OWN, key), shown(untouched, key)) for key in keys}
    said: dict[str, Any] = {key: ours for key, (ours, others) in shows.items() if ours != others}
    conf, files = read_conf(CONF.read_text()), [each.name for each in nixos.CONFS.iterdir()]
    said |= {} if conf == before else {"conf": conf}
    return said | ({} if files == [CONF.name] else {"files": files})


def test_a_declared_container_is_not_adopted_and_left_as_it_is(hive: NixosHive) -> None:
    with nixos.declared(hive.root, "workbench") as file:
        text = file.read_text()
        hive.start()
        hive.ok("register-peer", "workbench", "--observe", APART)
        manifest = hive.root / "agent.toml"
        manifest.write_text('run = ["cat"]\n')
        for options in (("--", "cat"), ("--file", str(manifest)), ("--stop", "--", "cat")):
            refused = hive.run("adopt", "workbench", "--yes", *options)
            assert refused.returncode != 0
            assert "take 'containers.workbench' out of configuration.nix" in refused.stderr
        assert hive.status("workbench")["kind"] == "peer"
        assert file.read_text() == text
        assert hive.ask("pending")["approvals"] == []
