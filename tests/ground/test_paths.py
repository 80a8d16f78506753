"""Paths for root, for a user, and from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from hive.errors import BadRequestError
from hive.paths import check_socket_path, find


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
