"""Paths for root, for a user, and from the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hive import base_directories
from hive.base_directories import check_socket_path, host_socket, web_socket
from hive.errors import BadRequestError
from hive.paths import Paths, find


def test_root_has_the_system_directories() -> None:
    paths = find({}, euid=0)
    assert paths.host_socket == Path("/run/hyperhive/host.sock")
    assert paths.database == Path("/var/lib/hyperhive/hive.sqlite")


def test_a_user_has_the_xdg_directories() -> None:
    paths = find({"XDG_RUNTIME_DIR": "/run/user/7", "XDG_STATE_HOME": "/home/u/s"}, euid=7)
    assert paths.manager_socket == Path("/run/user/7/hyperhive/manager.sock")
    assert paths.state_dir == Path("/home/u/s/hyperhive")


def test_a_user_without_a_runtime_directory_still_has_sockets() -> None:
    paths = find({"HOME": "/home/u"}, euid=7)
    assert paths.run_dir == Path("/home/u/.local/state/hyperhive/run")


def test_the_environment_overrides(tmp_path: Path) -> None:
    env = {"HYPERHIVE_RUN_DIR": str(tmp_path / "r"), "HYPERHIVE_STATE_DIR": str(tmp_path / "s")}
    paths = find(env, euid=0)
    assert paths.agent_socket("alice") == tmp_path / "r" / "agents" / "alice" / "mcp.sock"
    assert paths.agent_state("alice") == tmp_path / "s" / "agents" / "alice" / "state"
    assert paths.agent_log("alice") == tmp_path / "s" / "agents" / "alice" / "output.log"
    assert paths.lock_file.parent == tmp_path / "s"
    assert paths.run_lock_file.parent == tmp_path / "r"


def test_a_socket_path_over_the_kernels_limit_is_refused_with_what_to_do() -> None:
    assert check_socket_path(Path("/" + "x" * 106))
    with pytest.raises(BadRequestError, match="HYPERHIVE_RUN_DIR"):
        check_socket_path(Path("/" + "x" * 107))


def test_the_sockets_of_all_names_must_fit():
    paths = Paths(Path("/" + "r" * 80), Path("/state"))

    paths.check_sockets(["a" * 9])
    with pytest.raises(BadRequestError, match=r"has 109 bytes.*or choose a shorter name"):
        paths.check_sockets(["a" * 9, "a" * 11])
    with pytest.raises(BadRequestError, match=r"manager\.sock has"):
        Paths(Path("/" + "r" * 95), Path("/state")).check_sockets()


@pytest.mark.parametrize(
    ("env", "euid"),
    [
        ({}, 0),
        ({}, 7),
        ({"HOME": "/home/u"}, 7),
        ({"HOME": "/home/u/", "XDG_RUNTIME_DIR": "/run/user/7/"}, 7),
        ({"HYPERHIVE_RUN_DIR": "/run/x/", "XDG_RUNTIME_DIR": "/run/user/7"}, 7),
        ({"HYPERHIVE_RUN_DIR": "below/here"}, 0),
    ],
)
def test_verbs_look_for_the_socket_that_the_daemon_binds(env, euid, monkeypatch):
    monkeypatch.setattr(base_directories, "MACHINE_RUN_DIR", "/no/such/run")
    assert host_socket(env, euid=euid) == str(find(env, euid=euid).host_socket)


@pytest.mark.parametrize("find_socket", [host_socket, web_socket])
def test_whoever_has_no_hive_operates_that_of_the_machine(find_socket, tmp_path, monkeypatch):
    monkeypatch.setattr(base_directories, "MACHINE_RUN_DIR", str(tmp_path / "machine"))
    user = {"XDG_RUNTIME_DIR": str(tmp_path / "user")}
    own, machines = Path(find_socket(user, euid=7)), Path(find_socket({}, euid=0))
    assert (own.is_relative_to(tmp_path / "user"), machines.parent.parent) == (True, tmp_path)
    for path in (machines, own):
        path.parent.mkdir(parents=True)

    machines.touch()
    assert find_socket(user, euid=7) == str(machines)
    elsewhere = {**user, "HYPERHIVE_RUN_DIR": "/elsewhere"}
    assert find_socket(elsewhere, euid=7).startswith("/elsewhere"), "the environment counts"
    own.touch()
    assert find_socket(user, euid=7) == str(own), "its own hive comes first"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_whoever_may_not_use_that_of_the_machine_looks_for_a_hive_of_its_own(tmp_path):
    code = (
        "import os; from hive import base_directories as places;"
        f"places.MACHINE_RUN_DIR = {str(tmp_path)!r}; os.setgid(4242); os.setuid(4242);"
        "print(places.host_socket({'XDG_RUNTIME_DIR': '/user'}))"
    )
    socket = tmp_path / "host.sock"
    for mode, found in ((0o600, "/user/hyperhive/host.sock"), (0o666, str(socket))):
        socket.touch()
        socket.chmod(mode)
        for directory in tmp_path.parents[:3]:
            directory.chmod(0o755)
        tmp_path.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
        )
        assert done.stdout.strip() == found


def test_a_relative_directory_is_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert host_socket({"HYPERHIVE_RUN_DIR": "r"}) == str(tmp_path / "r" / "host.sock")
