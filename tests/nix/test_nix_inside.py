"""Inside of containers: the unit of a peer, its Claude Code, and what an agent gets."""

import json
import re
import subprocess
import tomllib
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hive.machines.systemd.unit_files import GUEST_FILES
from tests.support.claude_code import QUIET, claude_program
from tests.support.nix_modules import ROOT, STORE, evaluated

PEERS: dict[str, Any] = evaluated()["peers"]
AGENTS: dict[str, Any] = evaluated()["agents"]
FLAKE: dict[str, Any] = evaluated()["flake"]
PEERS_PAGE = (ROOT / "docs" / "peers.md").read_text()


def started(peer: str) -> str:
    command: str = PEERS[peer]["services"]["hive-peer"]["serviceConfig"]["ExecStart"]
    return command.removeprefix(f"{STORE}/hyperhive/bin/hive-ag3nt serve ")


def test_the_unit_of_a_peer_is_the_one_of_the_page() -> None:
    [page] = re.findall(
        r"```ini\n# /etc/systemd/system/hive-peer.service\n(.*?)```", PEERS_PAGE, re.DOTALL
    )
    service = PEERS["session"]["services"]["hive-peer"]
    for key in ("User", "Restart", "RestartSec"):
        assert f"{key}={service['serviceConfig'][key]}\n" in page
    assert f"Description={service['description']}\n" in page


@pytest.mark.parametrize(
    ("peer", "arguments"),
    [
        ("plain", "--peer"),
        ("session", r'--peer --bell "notify-send \"$$HIVE_NEWS\" 100%%"'),
        ("worker", '--driver command -- /bin/answer "--in one word"'),
    ],
)
def test_what_the_unit_starts(peer: str, arguments: str) -> None:
    assert started(peer) == arguments


def test_the_unit_finds_what_a_session_of_its_user_finds() -> None:
    path = PEERS["session"]["services"]["hive-peer"]["path"]
    assert path == ["/run/wrappers", "/etc/profiles/per-user/muede", "/run/current-system/sw"]


def test_the_hooks_are_those_of_the_page() -> None:
    [text] = PEERS["session"]["files"].values()
    [page] = re.findall(r"```json\n(.*?)```", PEERS_PAGE, re.DOTALL)
    written = text.replace(f"{STORE}/hyperhive/bin/hive-ag3nt", "hive-ag3nt")
    assert json.loads(written) == json.loads(page)
    assert list(PEERS["session"]["files"]) == ["claude-code/managed-settings.d/50-hyperhive.json"]
    assert PEERS["plain"]["files"] == {}, "nothing of the user's Claude Code changes unasked"


def test_the_host_can_give_the_hook_to_a_container_that_it_declares() -> None:
    hooked, session = PEERS["hooked"], PEERS["session"]
    assert hooked["files"] == session["files"]
    assert hooked["packages"] == [f"{STORE}/hyperhive"], "the package of the host"
    assert started("hooked") == "--peer"
    assert "hive-claude-mcp" not in hooked["services"]


def test_the_hook_of_the_host_leaves_the_settings_of_the_container() -> None:
    twice = PEERS["hookedTwice"]
    assert twice["services"]["hive-peer"]["serviceConfig"]["User"] == "muede"
    assert twice["packages"] == [f"{STORE}/ripgrep"], "its own, not the host's"
    assert len(twice["files"]) == 1


def test_the_tools_are_registered_once_for_the_user() -> None:
    unit = PEERS["session"]["services"]["hive-claude-mcp"]
    assert unit["serviceConfig"]["User"] == "muede"
    assert unit["path"] == [f"{STORE}/claude-code"]
    assert "hive-claude-mcp" not in PEERS["plain"]["services"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "/run/current-system/sw/bin/hive-ag3nt"),
        ("/nix/store/old-hyperhive/bin/hive-ag3nt", "/run/current-system/sw/bin/hive-ag3nt"),
        ("/home/muede/own", "/home/muede/own"),
    ],
    ids=["none", "of an older system", "of the user"],
)
@pytest.mark.skipif(find_spec("claude_agent_sdk") is None, reason="needs hyperhive[claude]")
@pytest.mark.timeout(180)
def test_real_claude_code_has_the_tools_afterwards(
    before: str | None, after: str, tmp_path: Path
) -> None:
    claude = claude_program()
    environ = {"HOME": str(tmp_path), "PATH": f"{claude.parent}:/usr/bin:/bin", **QUIET}
    run = partial(subprocess.run, check=True, env=environ, cwd=tmp_path, timeout=120)
    if before is not None:
        run([claude, "mcp", "add", "--scope", "user", "hive", "--", before, "mcp"])
    script = PEERS["session"]["services"]["hive-claude-mcp"]["script"]
    for _ in range(2):  # it runs at each start of the container
        run(["sh", "-euc", script])
        servers = json.loads((tmp_path / ".claude.json").read_text())["mcpServers"]
        assert (servers["hive"]["command"], servers["hive"]["args"]) == (after, ["mcp"])


def test_an_agent_is_a_container_on_both_sides_of_the_rename() -> None:
    assert AGENTS["plain"]["boot"]["isNspawnContainer"] is True
    assert AGENTS["old"]["boot"]["isContainer"] is True


def test_what_a_system_sets_of_the_harness_is_added_to_the_unit_that_the_daemon_writes() -> None:
    added = AGENTS["plain"]["services"]["hive-agent"]
    assert GUEST_FILES[0] == "hive-agent.service"
    assert added["overrideStrategy"] == "asDropin"
    assert not added["enableDefaultPath"], "the PATH is that of the manifest"
    assert not added["restartIfChanged"], "its end would be that of the container"
    assert (added["serviceConfig"], added["path"]) == ({}, [])
    assert added["environment"] == {"NIX_REMOTE": "daemon"}, "the host's builds, see nix.conf(5)"


def test_a_system_of_an_agent_says_its_state_version_unless_its_module_does() -> None:
    assert AGENTS["plain"]["stateVersion"] == "26.05"
    assert AGENTS["without"]["stateVersion"] == "26.11"


def test_claude_code_is_allowed_and_nothing_else_that_is_unfree() -> None:
    assert AGENTS["plain"]["unfree"] == ["claude-code"]
    assert AGENTS["without"]["unfree"] == ["steam"], "what its own module allows"
    assert f"{STORE}/claude-code" not in AGENTS["without"]["packages"]


def test_the_flake_has_everything_for_both_platforms() -> None:
    assert FLAKE["systems"] == ["aarch64-linux", "x86_64-linux"]
    assert set(FLAKE["modules"]) == {"agent", "default", "hive-c0re", "peer"}
    assert set(FLAKE["outputs"]) >= {"apps", "checks", "devShells", "overlays", "packages"}
    assert FLAKE["packages"] == ["default", "hyperhive"]


def test_a_host_that_chooses_nothing_has_the_package_and_the_module_of_the_flake() -> None:
    assert FLAKE["host"]["package"] == f"{STORE}/hyperhive"
    containers = FLAKE["host"]["containers"]
    assert containers["hyperhive"] == f"path:{STORE}/hyperhive-source"
    assert containers["nixpkgs"] == f"github:NixOS/nixpkgs/{'0123456789abcdef' * 2}01234567"


def test_a_system_of_an_agent_keeps_the_flake_that_its_lock_names() -> None:
    """It may import the module twice: by its own `agent.nix`, and as each deploy does."""
    assert FLAKE["agent"]["extraDependencies"] == [f"{STORE}/hyperhive-source"] * 2
    assert FLAKE["agent"]["package"] == f"{STORE}/hyperhive"


def test_the_package_has_what_pyproject_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *extras["claude"],
        *extras["mcp"],
        *extras["systemd"],
        *extras["tui"],
        *extras["web"],
    ]
    names = [re.split(r"[^A-Za-z0-9_-]", each)[0] for each in wanted]
    assert FLAKE["package"]["dependencies"] == names
    assert FLAKE["package"]["version"] == project["version"]
    programs = {name for name in FLAKE["programs"] if name != "default"}
    assert programs == set(project["scripts"])


def test_the_programs_are_those_of_an_environment_whose_python_has_hyperhive() -> None:
    script = FLAKE["package"]["script"]
    assert "for program in hive-ag3nt hive-c0re hive-m1nd; do" in script
    assert f"ln -s {STORE}/environment-of-{STORE}/library/bin/$program $out/bin/" in script


@pytest.mark.parametrize("module", FLAKE["package"]["pythonImportsCheck"])
def test_what_the_build_imports_exists(module: str) -> None:
    assert find_spec(module) is not None
