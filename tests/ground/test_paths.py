"""Paths for root, for a user, and from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from hive.base_directories import check_socket_path, host_socket
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
def test_verbs_look_for_the_socket_that_the_daemon_binds(env, euid):
    assert host_socket(env, euid=euid) == str(find(env, euid=euid).host_socket)


def test_a_relative_directory_is_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert host_socket({"HYPERHIVE_RUN_DIR": "r"}) == str(tmp_path / "r" / "host.sock")
